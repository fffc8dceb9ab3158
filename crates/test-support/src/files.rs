//! Trees of local files. Each run creates the same bytes.

use std::{fs, io, path::Path};

/// Returns pseudo-random numbers, the same in every run (Knuth's MMIX).
fn numbers() -> impl Iterator<Item = u64> {
    let next = |state: &u64| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    std::iter::successors(next(&1), next).map(|state| state >> 33)
}

/// Creates files of 1 to 8 kB, `files` in each of `folders` folders. Returns their paths, relative
/// to the folder.
///
/// # Errors
/// If the folder cannot be written.
pub fn create_small(folder: &Path, folders: usize, files: usize) -> io::Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut numbers = numbers();
    let mut next = || numbers.next().unwrap_or_default();
    for in_folder in 0..folders {
        fs::create_dir(folder.join(in_folder.to_string()))?;
        for file in 0..files {
            let path = format!("{in_folder}/{file}.bin");
            let length = 1_000 + next() % 7_000;
            let bytes: Vec<u8> = (0..length).map(|_| next() as u8).collect();
            fs::write(folder.join(&path), bytes)?;
            paths.push(path);
        }
    }
    Ok(paths)
}
