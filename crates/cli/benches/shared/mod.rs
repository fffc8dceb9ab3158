//! What benchmarks have in common: files to work with, and how figures are told.

use std::{fs, io, path::Path};

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The one in the middle, the upper one of two.
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Of at least one measurement.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        Self {
            median: figures[figures.len() / 2],
            least: figures[0],
            most: figures[figures.len() - 1],
        }
    }
}

/// Numbers that look random and are the same in every run (Knuth's MMIX).
fn numbers() -> impl Iterator<Item = u64> {
    let next = |state: &u64| {
        Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    };
    std::iter::successors(next(&1), next).map(|state| state >> 33)
}

/// Files of 1 to 8 kB, so many in each folder; their paths.
pub fn make_files(folder: &Path, folders: usize, files: usize) -> io::Result<Vec<String>> {
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
