//! What travels inside HTTP and says so: WebSocket, gRPC, the APIs of Docker, Kubernetes, Elasticsearch.
//!
//! The outer protocol is always true as well, so each names it as its family: where the inner one does not
//! show, the conversation is HTTP. A path counts only when it is the API's own spelling down to a whole
//! component; a word that any web application might use (`/api/v1/users`, `/search`) does not.

use super::app::Strength::{Good, Strong, Weak};
use super::bytes::{be16, contains, contains_nocase};
use super::recognise::Carrier;
use super::sign::{Role, Sign, answers, asks, shared};
use super::web::{self, Start};

/// WebSocket: RFC 6455 sections 4.1 and 4.2.2 (both sides of the opening handshake carry `Sec-WebSocket-`
/// fields); frames of a conversation whose opening was missed, section 5.2.
pub(super) fn websocket(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    if bytes[0] & 0x80 != 0 {
        return websocket_frames(bytes);
    }
    let offers = bytes.starts_with(b"GET ") && contains_nocase(bytes, b"\nSec-WebSocket-Key:");
    let accepts = bytes.starts_with(b"HTTP/1.1 101") && contains_nocase(bytes, b"\nSec-WebSocket-Accept:");
    (offers || accepts).then(|| web::http(bytes, carrier)).flatten()
}

/// A whole text message, readable once unmasked: clients mask, servers do not (section 5.1). Binary frames
/// that fill the bytes exactly are no more than a hint.
fn websocket_frames(bytes: &[u8]) -> Option<Sign> {
    let frame = Frame::of(bytes)?;
    let next = frame.rest.is_empty()
        || Frame::of(frame.rest).is_some_and(|f| f.key.is_some() == frame.key.is_some());
    if !next {
        return None;
    }
    let masked = frame.key.is_some();
    let text = |strength| if masked { asks(strength) } else { answers(strength) };
    match (bytes[0] & 0x0f, frame.body.len()) {
        (1, 8..) if frame.is_text() => text(Good),
        (1, 4..) if frame.is_text() => text(Weak),
        (2, 1..) => shared(if masked { Role::Asks } else { Role::Answers }),
        _ => None,
    }
}

/// One WebSocket frame: RFC 6455 section 5.2.
struct Frame<'a> {
    key: Option<[u8; 4]>,
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Frame<'a> {
    /// An unfragmented frame without extensions, its length in the shortest form. A body longer than what is
    /// here is not believed.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let [0x81 | 0x82 | 0x88..=0x8a, size, after @ ..] = bytes else { return None };
        let (len, after) = match size & 0x7f {
            126 => (usize::from(be16(after, 0).filter(|len| *len > 125)?), after.get(2..)?),
            127 => return None, // more than a head can hold
            short => (usize::from(short), after),
        };
        let (key, after) = match after.split_first_chunk() {
            _ if size & 0x80 == 0 => (None, after),
            Some((key, after)) => (Some(*key), after),
            None => return None,
        };
        Some(Self { key, body: after.get(..len)?, rest: &after[len..] })
    }

    fn is_text(&self) -> bool {
        let key = self.key.unwrap_or_default();
        let plain = self.body.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
        plain.take(64).all(|b| matches!(b, b'\t' | b'\r' | b'\n' | 0x20..=0x7e))
    }
}

/// gRPC: "gRPC over HTTP/2" (requests and responses carry a content type that begins with
/// `application/grpc`), as a literal of RFC 7541 section 5.2: plain, or in the code of appendix B. Strings
/// begin on a whole byte and the sixteen letters fill eleven of them, so that it always looks the same.
pub(super) fn grpc(bytes: &[u8], carrier: Carrier) -> Option<Sign> {
    const CODED: [u8; 11] = [0x1d, 0x75, 0xd0, 0x62, 0x0d, 0x26, 0x3d, 0x4c, 0x4d, 0x65, 0x64];
    let sign = web::http2(bytes, carrier)?;
    (contains(bytes, &CODED) || contains(bytes, b"application/grpc")).then_some(sign)
}

/// What the Docker Engine API lists without a version before it, and its resources with one.
const LISTS: [&[u8]; 4] = [b"containers/json", b"containers/create", b"images/json", b"images/create"];
const RESOURCES: [&[u8]; 14] = [
    b"containers",
    b"images",
    b"info",
    b"version",
    b"_ping",
    b"events",
    b"networks",
    b"volumes",
    b"exec",
    b"build",
    b"swarm",
    b"services",
    b"nodes",
    b"system",
];

/// Docker: Engine API reference (versioned paths `/v1.…/`, the lists; the daemon's `Server` and
/// `Docker-Experimental` fields).
pub(super) fn docker(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"HTTP/1.") {
        let named = contains(bytes, b"\nServer: Docker/") || contains(bytes, b"\nDocker-Experimental: ");
        return named.then(|| answers(Strong)).flatten();
    }
    asked(bytes, |path| {
        let versioned = path.strip_prefix(b"v1.").and_then(|rest| {
            let minor = component(rest);
            let numbered = matches!(minor.len(), 1..=3) && minor.iter().all(u8::is_ascii_digit);
            rest.get(minor.len() + 1..).filter(|_| numbered)
        });
        match versioned {
            Some(rest) => RESOURCES.contains(&component(rest)),
            None => {
                LISTS.iter().any(|list| path.strip_prefix(*list).is_some_and(|r| component(r).is_empty()))
            }
        }
    })
}

/// Kubernetes: "Kubernetes API Concepts" (resource paths, `kind` and `apiVersion` in every object), "API
/// Priority and Fairness" (its `X-Kubernetes-PF-` response fields).
pub(super) fn kubernetes(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"HTTP/1.") {
        let object = contains(bytes, b"apiVersion\":\"") && contains(bytes, b"\"kind\":\"");
        let named = object || contains_nocase(bytes, b"\nX-Kubernetes-PF-");
        return named.then(|| answers(Strong)).flatten();
    }
    asked(bytes, |path| {
        if let Some(rest) = path.strip_prefix(b"api/v1/") {
            return matches!(component(rest), b"namespaces" | b"pods");
        }
        path.strip_prefix(b"apis/").is_some_and(|rest| {
            let group = component(rest);
            let versioned = rest[group.len()..].starts_with(b"/v");
            group.ends_with(b".k8s.io") || versioned && matches!(group, b"apps" | b"batch" | b"autoscaling")
        })
    })
}

/// Elasticsearch's endpoints, each possibly behind an index.
const ENDPOINTS: [&[u8]; 10] = [
    b"_search",
    b"_bulk",
    b"_cluster",
    b"_cat",
    b"_nodes",
    b"_mget",
    b"_msearch",
    b"_mapping",
    b"_count",
    b"_doc",
];

/// Elasticsearch: the REST API reference (endpoints begin with an underscore), the `X-elastic-product` field,
/// and what `/` answers.
pub(super) fn elasticsearch(bytes: &[u8], _: Carrier) -> Option<Sign> {
    if bytes.starts_with(b"HTTP/1.") {
        let named =
            contains_nocase(bytes, b"\nX-elastic-product:") || contains(bytes, b"You Know, for Search");
        return named.then(|| answers(Strong)).flatten();
    }
    asked(bytes, |path| {
        let index = component(path);
        let after = path.get(index.len() + 1..).unwrap_or_default();
        ENDPOINTS.contains(&index) || !index.is_empty() && ENDPOINTS.contains(&component(after))
    })
}

/// An HTTP/1 request for a path that, without its slash, is `about` something. The path is looked at first,
/// because it rules out nearly all requests.
fn asked(bytes: &[u8], about: impl Fn(&[u8]) -> bool) -> Option<Sign> {
    let method = bytes.iter().take(8).position(|b| *b == b' ')?;
    let path = bytes.get(method + 1..)?.strip_prefix(b"/")?;
    let http =
        |start: Start<'_>| start.version.starts_with(b"HTTP/1.") || !start.ended && start.version.is_empty();
    (about(path) && Start::of(bytes).is_some_and(http)).then(|| asks(Strong)).flatten()
}

/// What stands before the next slash, the query or the end of the path.
fn component(path: &[u8]) -> &[u8] {
    let end = path.iter().take(64).position(|b| matches!(b, b'/' | b'?' | b' ')).unwrap_or(path.len());
    &path[..end]
}

#[cfg(test)]
use super::App;
#[cfg(test)]
use super::samples::{Sample, stream};

#[cfg(test)]
pub(super) const SAMPLES: &[Sample] = &[
    stream(
        App::Websocket,
        b"GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    ),
    stream(App::Websocket, b"\x81\x89RST!:68M=s-N\x27", b"\x81\x0d{\"status\": 1}\x89\0"),
    stream(
        App::Grpc,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x11\x01\x04\0\0\0\x01\x83\x86\
          \x44\x01/\x5f\x8b\x1d\x75\xd0\x62\x0d\x26\x3d\x4c\x4d\x65\x64",
        b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0\0\0\x14\x01\x04\0\0\0\x01\x88\x0f\x10\x10ap\
          plication/grpc",
    ),
    stream(
        App::Docker,
        b"GET /v1.43/containers/json HTTP/1.1\r\nHost: docker\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nApi-Version: 1.43\r\nDocker-Experimental: false\r\nServer: Docker/2\
          4.0.7 (linux)\r\n\r\n",
    ),
    stream(App::Docker, b"GET /images/json?all=1 HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n[]"),
    stream(
        App::Kubernetes,
        b"GET /api/v1/namespaces/default/pods?limit=500 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"kind\":\"PodList\",\"apiVe\
          rsion\":\"v1\"}",
    ),
    stream(
        App::Kubernetes,
        b"GET /apis/rbac.authorization.k8s.io/v1/roles HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nX-Kubernetes-Pf-Flowschema-Uid: 1\r\n\r\n",
    ),
    stream(
        App::ElasticsearchApi,
        b"POST /logs/_search?size=1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\n\r\n{}",
    ),
    stream(
        App::ElasticsearchApi,
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{\"name\" : \"n\", \"tagline\" : \"You Know, for Search\"}",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{Strength, recognise};

    #[test]
    fn common_web_paths_are_plain_http() {
        for path in
            ["/", "/api/v1/users", "/apis/", "/v1.2/", "/v1/containers/json", "/search", "/a_search", "/info"]
        {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            let found = recognise(Carrier::Stream, request.as_bytes(), b"HTTP/1.1 200 OK\r\n\r\n");
            assert_eq!((found.app, found.strength), (App::Http, Strength::Strong), "{path}");
        }
    }

    #[test]
    fn two_apis_in_one_conversation_are_what_both_are() {
        let asks = b"GET /v1.43/info HTTP/1.1\r\n\r\n";
        let answers = b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\n\r\n";
        assert_eq!(recognise(Carrier::Stream, asks, answers).app, App::Http);
    }

    #[test]
    fn frames_are_text_only_when_they_read_as_text() {
        assert_eq!(recognise(Carrier::Stream, b"\x81\x0a\x01\x02\x03456789a", b"").app, App::Unknown);
        assert_eq!(recognise(Carrier::Stream, b"\x82\x04\x01\x02\x03\x04", b"").app, App::Unknown);
        let both = recognise(Carrier::Stream, b"\x82\x81abcd1", b"\x82\x04\x01\x02\x03\x04");
        assert_eq!((both.app, both.strength), (App::Websocket, Strength::Good));
    }
}
