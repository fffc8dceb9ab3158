//! MD5 of what is sent and of what arrives: the one hash that this cloud tells.

use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest, Md5};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{
    drive::{Body, Error, ErrorKind, Result},
    transport::{ApiRequest, Observer},
};

/// An MD5 sum.
pub type Md5Sum = [u8; 16];

/// The MD5 of a request's body, made while it leaves.
pub(super) enum Sending {
    /// In memory: on a thread beside.
    Memory(JoinHandle<Md5Sum>),
    /// In a file: by what reads it to send it.
    File(Arc<Mutex<Option<Md5Sum>>>),
}

impl Sending {
    /// Begins with a body.
    pub(super) fn of(body: &Body) -> Self {
        match body {
            Body::Memory(buffer) => {
                let buffer = buffer.clone();
                Self::Memory(spawn_blocking(move || {
                    let mut md5 = Md5::new();
                    for piece in buffer {
                        md5.update(piece);
                    }
                    md5.finalize().into()
                }))
            }
            Body::File { .. } => Self::File(Arc::default()),
        }
    }

    /// Lets the request show its file.
    pub(super) fn watch(&self, call: ApiRequest) -> ApiRequest {
        match self {
            Self::Memory(_) => call,
            Self::File(sum) => {
                let sum = Arc::clone(sum);
                call.watched(Arc::new(move || {
                    Box::new(Watching { md5: Md5::new(), sum: Arc::clone(&sum) })
                }))
            }
        }
    }

    /// The sum, once the request was answered.
    ///
    /// # Errors
    /// `Unexpected` if the answer came before all bytes had left.
    pub(super) async fn sum(self) -> Result<Md5Sum> {
        let sum = match self {
            Self::Memory(hashing) => hashing.await.ok(),
            Self::File(sum) => *sum.lock().unwrap_or_else(PoisonError::into_inner),
        };
        sum.ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "the cloud answered before it had all bytes")
        })
    }
}

struct Watching {
    md5: Md5,
    sum: Arc<Mutex<Option<Md5Sum>>>,
}

impl Observer for Watching {
    fn piece(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
    }

    fn end(self: Box<Self>) {
        *self.sum.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.md5.finalize().into());
    }
}

/// 32 hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Option<Md5Sum> {
    let digits = text.as_bytes();
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut sum = [0; 16];
    for (byte, pair) in sum.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(sum)
}

/// As 32 lower-case hexadecimal digits.
pub(super) fn to_hex(sum: &[u8]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_in_either_case_and_nothing_else_is() {
        let sum = from_hex("D41d8cd98f00b204e9800998ecf8427e").unwrap();
        assert_eq!(to_hex(&sum), "d41d8cd98f00b204e9800998ecf8427e");
        for wrong in ["", "d41d8cd98f00b204e9800998ecf8427", "+41d8cd98f00b204e9800998ecf8427e"] {
            assert_eq!(from_hex(wrong), None, "{wrong}");
        }
    }
}
