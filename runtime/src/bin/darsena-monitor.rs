//! The monitor program: one process per container. See `runtime::monitor`.

fn main() -> std::process::ExitCode {
    runtime::monitor::main()
}
