//! Passwords and tokens, by reference only: `env:NAME` or `file:PATH`. What stands on a command line is seen
//! by everybody on the machine, and what stands in a configuration is copied around; so the value itself is
//! never accepted there, and a [`Secret`] shows where it is from and never what it is.

use std::fmt;
use std::path::PathBuf;

/// A secret, read.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret {
    from: From,
    shape: Shape,
    value: String,
}

/// What a secret may look like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// No control characters: they would break out of a header.
    Line,
    /// Several lines, of a file that some program made.
    #[cfg(feature = "nats")]
    Text,
}

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Environment(String),
    File(PathBuf),
}

/// Why a secret cannot be had. Never holds any part of a value, also not of one that was written where a
/// reference belongs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretError {
    /// Neither `env:` nor `file:`.
    #[error("a secret is named by env:NAME or file:PATH and never written out")]
    WrittenOut,
    /// There is none.
    #[error("cannot read the secret {from}: {why}")]
    Unreadable {
        /// The reference.
        from: String,
        /// What is wrong.
        why: String,
    },
}

impl Secret {
    /// Reads what `env:NAME` or `file:PATH` refers to. White space at the end of a file is not part of it.
    ///
    /// # Errors
    /// The value itself was written, or it cannot be read, is empty, or has control characters (which would
    /// break out of a header).
    pub(super) fn read(reference: &str) -> Result<Self, SecretError> {
        Self::read_as(reference, Shape::Line)
    }

    /// The same for a secret of several lines.
    ///
    /// # Errors
    /// As [`Secret::read`], but for the control characters.
    #[cfg(feature = "nats")]
    pub(super) fn read_text(reference: &str) -> Result<Self, SecretError> {
        Self::read_as(reference, Shape::Text)
    }

    fn read_as(reference: &str, shape: Shape) -> Result<Self, SecretError> {
        let from = if let Some(name) = reference.strip_prefix("env:") {
            From::Environment(name.to_owned())
        } else if let Some(path) = reference.strip_prefix("file:") {
            From::File(path.into())
        } else {
            return Err(SecretError::WrittenOut);
        };
        let value = from.read(shape)?;
        Ok(Self { from, shape, value })
    }

    /// Reads it anew (HUP). On an error the old value stays.
    ///
    /// # Errors
    /// As [`Secret::read`].
    pub(super) fn reread(&mut self) -> Result<(), SecretError> {
        self.value = self.from.read(self.shape)?;
        Ok(())
    }

    /// The value, to be put on the wire and nowhere else.
    pub(super) fn reveal(&self) -> &str {
        &self.value
    }
}

impl From {
    fn read(&self, shape: Shape) -> Result<String, SecretError> {
        let unreadable = |why: String| SecretError::Unreadable { from: self.to_string(), why };
        let value = match self {
            Self::Environment(name) => std::env::var(name).map_err(|_| unreadable("it is not set".into()))?,
            Self::File(path) => {
                std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?
            }
        };
        let value = value.trim_end();
        if value.is_empty() {
            return Err(unreadable("it is empty".into()));
        }
        if shape == Shape::Line && value.chars().any(char::is_control) {
            return Err(unreadable("it has control characters, such as a second line".into()));
        }
        Ok(value.to_owned())
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_by_reference_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "hunter2\n").unwrap();
        let mut secret = Secret::read(&format!("file:{}", path.display())).unwrap();
        assert_eq!(secret.reveal(), "hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        std::fs::write(&path, "changed").unwrap();
        secret.reread().unwrap();
        assert_eq!(secret.reveal(), "changed");
        std::fs::write(&path, "one\ntwo").unwrap();
        assert!(secret.reread().unwrap_err().to_string().contains("second line"));
        assert_eq!(secret.reveal(), "changed", "the old one stays");
        #[cfg(feature = "nats")]
        assert_eq!(Secret::read_text(&format!("file:{}", path.display())).unwrap().reveal(), "one\ntwo");
    }

    #[test]
    fn what_is_written_out_is_refused_and_not_repeated() {
        let said = Secret::read("hunter2").unwrap_err().to_string();
        assert!(said.contains("env:NAME") && !said.contains("hunter2"), "{said}");
        let said = Secret::read("env:GHOSTPORT_NO_SUCH_SECRET").unwrap_err().to_string();
        assert!(said.contains("env:GHOSTPORT_NO_SUCH_SECRET: it is not set"), "{said}");
        assert!(Secret::read("env:HOME").is_ok());
    }
}
