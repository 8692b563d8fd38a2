//! Every kind of problem there is. `docs/problems.md` is generated from this table.

use std::fmt::Write as _;

use http::StatusCode;

macro_rules! problem_codes {
    ($($variant:ident $name:literal $status:ident $title:literal $explanation:literal;)*) => {
        /// A kind of problem: the last part of its `type`, and the member `code`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemCode {
            $(#[doc = $explanation] $variant,)*
        }

        impl ProblemCode {
            /// Every code, in the order of the document.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }

            /// The kind of problem in words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What it means and what to do about it, for the document.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)* }
            }
        }
    };
}

problem_codes! {
    InvalidJson "invalid_json" BAD_REQUEST "The body is not the JSON that is expected"
        "The body is not JSON, or a member is missing, unknown, given twice or of the wrong type. `field` names the member where it is known.";
    InvalidField "invalid_field" BAD_REQUEST "A field is not acceptable"
        "A member, a query parameter or a part of the path has a value that can't be accepted. `field` names it, `detail` says why.";
    InvalidHeader "invalid_header" BAD_REQUEST "A header is not acceptable"
        "A header that may be given once was given more than once, or has a value that can't be read. `field` names it.";
    MalformedRequest "malformed_request" BAD_REQUEST "The request can't be read"
        "The path or the query is not percent-encoded UTF-8, or the body ended before it was complete.";
    Unauthenticated "unauthenticated" UNAUTHORIZED "Credentials are required"
        "There are no credentials, or they are unknown, revoked or expired. Send an API key as `Authorization: Bearer glk_…`. Where a trusted token was sent, `reason` says what is wrong with it.";
    Forbidden "forbidden" FORBIDDEN "Not allowed"
        "The API key is valid, but its role does not include this operation; or a page presented a trusted token that is good, but not here: `reason` says why.";
    NoSuchEndpoint "no_such_endpoint" NOT_FOUND "There is no such endpoint"
        "No operation has this path. See `/openapi.json` for those that exist.";
    NotFound "not_found" NOT_FOUND "Not found"
        "There is nothing of this name, or the caller may not know that there is.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "The method is not allowed"
        "The path exists, but not with this method. The header `Allow` lists those it has.";
    RequestTimeout "request_timeout" REQUEST_TIMEOUT "The request took too long to arrive"
        "The body did not arrive in time. Nothing was done.";
    Conflict "conflict" CONFLICT "The present state does not allow this"
        "What the request is about is no longer, or not yet, in a state that allows it. Read it again before deciding what to do.";
    Dropped "dropped" GONE "The event is not kept any more"
        "It was an issuance fact and old, so it was written to a file and dropped from the log, and the file is not here. Hashes and proofs of everything else go on as before; ask the operator for the segment.";
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "The body is too large"
        "The body is larger than this endpoint accepts.";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "The media type is not supported"
        "The header `Content-Type` is missing or names a type that this endpoint does not read. `detail` says which one it does.";
    InvalidMetadata "invalid_metadata" UNPROCESSABLE_ENTITY "What is to be registered is not acceptable"
        "What is registered about a client, a resource server or a trusted issuer must be consistent. The member `problems` lists every mistake, each with its `field`.";
    InvalidPolicy "invalid_policy" UNPROCESSABLE_ENTITY "The policy is not acceptable"
        "A policy must be sound as a whole. The member `problems` lists every mistake, each with its `path`, a `code` and what is wrong.";
    ScopeNotGrantable "scope_not_grantable" UNPROCESSABLE_ENTITY "The person can't grant this"
        "The decision names scopes that the person can't grant; the member `scopes` lists them. The authorization request says why, and is still to be decided.";
    RequiredScopeMissing "required_scope_missing" UNPROCESSABLE_ENTITY "The client needs more"
        "The decision leaves out scopes that the client is of no use without; the member `scopes` lists them. Grant them too, or deny.";
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY "The idempotency key means another request"
        "The header `Idempotency-Key` has a key that the caller used for another operation or another body less than a day ago. A new request needs a new key.";
    TooManyRequests "too_many_requests" TOO_MANY_REQUESTS "Too many requests"
        "The caller exceeds its rate. Wait as long as `Retry-After` says; `RateLimit-Policy` tells the rate.";
    Internal "internal" INTERNAL_SERVER_ERROR "A bug in grantlog"
        "Something happened that should not be possible. Tell the operator the request id: the log has the cause.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The service is unavailable"
        "The event store can't be reached, or the answer took too long. A write may or may not have happened: repeat it, or read before deciding.";
}

/// The text of `docs/problems.md`.
pub fn problems_markdown() -> String {
    let mut text = String::from(
        "# Problems\n\n\
         <!-- Generated from api/src/problem/registry.rs; a test is red when this file is stale. -->\n\n\
         An error of the JSON API is an `application/problem+json` document (RFC 9457). Its `type` ends in one of the codes\n\
         below, which is also its member `code`. Every problem has `type`, `title`, `status`, `detail`, `code` and\n\
         `request_id`; `field` where one can be named. OAuth endpoints answer with the error codes of their RFCs instead.\n",
    );
    for code in ProblemCode::ALL {
        let (name, status) = (code.name(), code.status().as_u16());
        // Writing to a String can't fail.
        let _ = write!(text, "\n## {name}\n\nStatus {status}. **{}.**\n\n{}\n", code.title(), code.explanation());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = ProblemCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), ProblemCode::ALL.len());
    }

    #[test]
    fn the_document_is_fresh() {
        assert_eq!(include_str!("../../../docs/problems.md"), problems_markdown(), "run `make generate`");
    }
}
