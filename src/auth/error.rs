//! Why a caller was not believed, in words for the caller. They must never say anything
//! of a key, nor, of a token whose signature is not good, what would have been in it.

use super::authenticator::LONGEST_TOKEN;

/// Why a caller was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// There is no credential, and this server answers nobody without one.
    #[error("sign in: this server answers nobody without a token")]
    TokenRequired,
    /// There is another credential than one token, or several of them.
    #[error("there must be one Authorization header, and it must read: Bearer <token>")]
    NotBearer,
    /// The token has too many bytes to be looked at.
    #[error("the token is longer than {LONGEST_TOKEN} bytes")]
    TooLong,
    /// This server has no key.
    #[error("this server accepts no tokens: it was started without a key")]
    NoKey,
    /// No key of this server is used in this way.
    #[error("the token is signed with an algorithm that is not accepted here")]
    Algorithm,
    /// The token names a key that this server does not have, or not any more.
    #[error("the token is signed with a key that is not known here: get a new one")]
    UnknownKey,
    /// The token was not signed with this server's key, or is no token at all.
    #[error("the token is not valid here")]
    Invalid,
    /// The token's time has passed.
    #[error("the token has expired: get a new one")]
    Expired,
    /// The token's time has not come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Somebody else has made it than who is believed here.
    #[error("the token is of another issuer than is believed here")]
    Issuer,
    /// It was made to be shown to somebody else.
    #[error("the token is made for another audience")]
    Audience,
    /// It does not say what its bearer may do.
    #[error("the token names no role: STAFF, BOX_OFFICE or BUYER")]
    Role,
    /// It does not say whom it speaks of.
    #[error("the token's subject must have 1 to 255 bytes and no control characters")]
    Subject,
}
