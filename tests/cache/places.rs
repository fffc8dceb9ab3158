//! Disk and second tier.
