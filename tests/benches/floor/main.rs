//! The floor: a container made, run and taken away by system calls alone, for the benches to compare with.
//!
//! `floor ROOTFS WORK CGROUP [plumbed]` waits for lines on standard input and answers each, after one container's life,
//! with the nanoseconds it took. It has one thread, as clone3(2) wants; with `plumbed` a second process (`floor plumber`)
//! connects each container to a bridge, since the network's watchers are threads.

mod container;
mod groups;
mod plumber;

use std::{
    io::{self, BufRead, Write},
    path::Path,
    process::ExitCode,
    time::Instant,
};

use self::{container::Floor, plumber::Plumber};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["plumber", state] => plumber::serve(Path::new(state)),
        [rootfs, work, cgroup] => answer(rootfs, work, cgroup, false),
        [rootfs, work, cgroup, "plumbed"] => answer(rootfs, work, cgroup, true),
        _ => Err(io::Error::other("floor is run by the benches")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(rootfs: &str, work: &str, cgroup: &str, plumbed: bool) -> io::Result<()> {
    let work = Path::new(work);
    let plumber = plumbed.then(|| Plumber::start(&work.join("network"))).transpose()?;
    let mut floor = Floor::new(Path::new(rootfs), work, cgroup, plumber)?;
    for line in io::stdin().lock().lines() {
        line?;
        let began = Instant::now();
        floor.one()?;
        let took = began.elapsed();
        floor.tidy()?;
        println!("{}", took.as_nanos());
        io::stdout().flush()?;
    }
    Ok(())
}
