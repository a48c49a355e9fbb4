//! A text that many are sent, and the words of a protocol that each of them gets around it.
//!
//! It owns the cutting into pieces: a short text is one piece of its own, and a long one is
//! never copied, however many it goes to. It must never know what the text says.

use axum::body::Bytes;
use std::iter;

/// A text in its envelope, as it goes to one receiver.
#[derive(Debug)]
pub struct Enveloped {
    before: Bytes,
    text: Bytes,
    after: Bytes,
}

impl Enveloped {
    /// A text between these words.
    pub fn new(before: &Bytes, text: &Bytes, after: &'static [u8]) -> Self {
        Self {
            before: before.clone(),
            text: text.clone(),
            after: Bytes::from_static(after),
        }
    }

    /// A text that needs no words around it.
    pub const fn bare(text: Bytes) -> Self {
        Self {
            before: Bytes::new(),
            text,
            after: Bytes::new(),
        }
    }

    fn length(&self) -> usize {
        self.before.len() + self.text.len() + self.after.len()
    }

    /// The whole of it in pieces of at most `longest` bytes, which must not be 0.
    pub fn pieces(self, longest: usize) -> impl Iterator<Item = Bytes> {
        let parts = if self.length() <= longest {
            let whole = [&self.before[..], &self.text, &self.after].concat();
            [whole.into(), Bytes::new(), Bytes::new()]
        } else {
            [self.before, self.text, self.after]
        };
        parts.into_iter().flat_map(move |mut part| {
            iter::from_fn(move || {
                (!part.is_empty()).then(|| part.split_to(part.len().min(longest)))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(longest: usize) -> Vec<Bytes> {
        let text = Bytes::from_static(b"0123456789");
        let enveloped = Enveloped::new(&Bytes::from_static(b"<"), &text, b">");
        enveloped.pieces(longest).collect()
    }

    #[test]
    fn what_is_short_is_one_piece() {
        assert_eq!(pieces(12), ["<0123456789>"]);
    }

    #[test]
    fn what_is_long_is_cut_and_nothing_is_lost() {
        assert_eq!(pieces(11), ["<", "0123456789", ">"]);
        assert_eq!(pieces(4), ["<", "0123", "4567", "89", ">"]);
    }

    #[test]
    fn a_long_text_is_not_copied() {
        let text = Bytes::from(vec![b'0'; 10]);
        let enveloped = Enveloped::bare(text.clone());
        let pieces: Vec<_> = enveloped.pieces(5).collect();
        assert_eq!(pieces[1].as_ptr(), text[5..].as_ptr());
    }
}
