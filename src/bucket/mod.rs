//! Flows gathered under the port they are about: the responder's, per transport.
