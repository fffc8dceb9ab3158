//! Benchmark of the hashes that process each byte of a transfer: `cargo bench --bench hashes`.

use std::{hint::black_box, time::Instant};

use drivedal::services::onedrive::QuickXor;

/// Number of bytes for each measurement. Buffers larger than the processor's caches would measure
/// the memory instead.
const BUFFER: usize = 1 << 20;

const BUFFERS: usize = 2048;
const ROUNDS: usize = 7;

fn main() {
    let buffer: Vec<u8> = (0..BUFFER).map(|n| (n ^ n >> 8) as u8).collect();
    // Lengths of network reads, which are not multiples of a hash's block size.
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
