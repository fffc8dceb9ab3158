//! How fast the hashes are that every byte of a transfer goes through: `cargo bench --bench hashes`.

use std::{hint::black_box, time::Instant};

use drivedal::services::onedrive::QuickXor;

/// As much as is hashed at a time, in bytes; more than the processor's caches hold would measure
/// the memory.
const BUFFER: usize = 1 << 20;

const BUFFERS: usize = 2048;
const ROUNDS: usize = 7;

fn main() {
    let buffer: Vec<u8> = (0..BUFFER).map(|n| (n ^ n >> 8) as u8).collect();
    // Pieces as they come from the network, where they do not end where the hash's own words do.
    for piece in [BUFFER, 16_384, 1_460] {
        let mut rates: Vec<f64> = (0..ROUNDS).map(|_| rate(&buffer, piece)).collect();
        rates.sort_by(f64::total_cmp);
        println!(
            "quickXorHash in pieces of {piece:>7} bytes: {:.2} GB/s, median of {ROUNDS} ({:.2} to {:.2})",
            rates[ROUNDS / 2],
            rates[0],
            rates[ROUNDS - 1]
        );
    }
}

fn rate(buffer: &[u8], piece: usize) -> f64 {
    let began = Instant::now();
    let mut hash = QuickXor::new();
    for _ in 0..BUFFERS {
        for piece in black_box(buffer).chunks(piece) {
            hash.update(piece);
        }
    }
    black_box(hash.finish());
    (BUFFER * BUFFERS) as f64 / began.elapsed().as_secs_f64() / 1e9
}
