//! The command line `drivedal`: `drivedal --help` says what it does.

mod cli;

fn main() {
    cli::main()
}
