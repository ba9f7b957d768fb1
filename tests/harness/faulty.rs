//! A registry that fails as a test wants: between the client and a [`Registry`], on the same loopback.
//!
//! What the rule doesn't spoil is the real registry's. Each connection carries one request.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{Registry, Space};

/// What was asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// `GET`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// By their names in lower case.
    pub headers: HashMap<String, String>,
    /// How often this was asked before, by this method, whatever the query.
    pub before: usize,
}

impl Ask {
    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Whether it is this method and a path with this part.
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.path.contains(part)
    }

    fn place(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

/// What is answered without asking the registry.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200, say.
    pub status: u16,
    /// Whole lines, without their ends.
    pub headers: Vec<String>,
    /// Its first bytes.
    pub body: Vec<u8>,
    /// So many blanks after them.
    pub flood: u64,
    /// Whether its length is announced.
    pub announced: bool,
}

impl Answer {
    /// A status and a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), flood: 0, announced: true }
    }

    /// One more header.
    #[must_use]
    pub fn with(mut self, header: impl Into<String>) -> Self {
        self.headers.push(header.into());
        self
    }

    /// With so many blanks behind its body.
    #[must_use]
    pub fn flooding(mut self, bytes: u64) -> Self {
        self.flood = bytes;
        self
    }

    /// Without a length.
    #[must_use]
    pub fn unannounced(mut self) -> Self {
        self.announced = false;
        self
    }
}

/// Where a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    Request(u64),
    Answer(u64),
}

/// How a body is made another one.
pub type Change = Box<dyn Fn(&mut Vec<u8>) + Send>;

/// What goes wrong.
pub enum Fault {
    /// Nothing.
    None,
    /// The registry is not asked.
    Answer(Answer),
    /// The connection ends after so many bytes of the request's body, which reach the registry.
    CutRequest(u64),
    /// It ends after so many bytes of the answer's body.
    CutAnswer(u64),
    /// The answer comes in pieces of so many bytes, with pauses.
    Drip(usize, Duration),
    /// The answer's body is another one; its length is announced as it is then.
    Edit(Change),
}

type Rule = dyn Fn(&Ask) -> Fault + Send + Sync;
type Log = Arc<Mutex<Vec<Ask>>>;

/// A registry at [`Faulty::ADDRESS`] of a space.
pub struct Faulty {
    asked: Log,
    stop: Arc<AtomicBool>,
    dial: Box<dyn Fn() -> Option<TcpStream>>,
    accepting: Option<JoinHandle<()>>,
}

impl Faulty {
    /// Where it answers inside the space.
    pub const ADDRESS: &'static str = "127.0.0.1:5001";

    /// Starts one in front of the registry of this space, if there is one.
    pub fn start(space: &Space, rule: impl Fn(&Ask) -> Fault + Send + Sync + 'static) -> Self {
        let port = |address: &str| -> u16 {
            address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the address has a port")
        };
        let listener = space.inside(|| async { TcpListener::bind(Self::ADDRESS) }).expect("nobody else is there");
        let behind: Arc<dyn Fn() -> Option<TcpStream> + Send + Sync> = Arc::new(space.dialler(port(Registry::ADDRESS)));
        let (asked, stop) = (Log::default(), Arc::new(AtomicBool::new(false)));
        let (log, stopped, rule) =
            (Arc::clone(&asked), Arc::clone(&stop), Arc::<Rule>::from(Box::new(rule) as Box<Rule>));
        let accepting = thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (log, rule, behind) = (Arc::clone(&log), Arc::clone(&rule), Arc::clone(&behind));
                // A connection that breaks is what this is for.
                thread::spawn(move || drop(serve(near, &log, &*rule, &*behind)));
            }
        });
        Self { asked, stop, dial: Box::new(space.dialler(port(Self::ADDRESS))), accepting: Some(accepting) }
    }

    /// Everything it was asked, in order.
    pub fn asked(&self) -> Vec<Ask> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop((self.dial)());
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

fn serve(mut near: TcpStream, log: &Log, rule: &Rule, behind: &dyn Fn() -> Option<TcpStream>) -> io::Result<()> {
    let mut reader = BufReader::new(near.try_clone()?);
    // A client that tries TLS first: nothing is understood.
    if reader.fill_buf()?.first() == Some(&0x16) {
        return Ok(());
    }
    let head = head(&mut reader)?;
    let ask = understood(&head, log);
    let length: u64 = ask.header("content-length").parse().unwrap_or(0);
    let fault = rule(&ask);
    if let Fault::Answer(answer) = fault {
        io::copy(&mut (&mut reader).take(length), &mut io::sink())?;
        return give(&mut near, &answer);
    }
    let cut = match &fault {
        Fault::CutRequest(bytes) => Cut::Request(*bytes),
        Fault::CutAnswer(bytes) => Cut::Answer(*bytes),
        _ => Cut::Never,
    };
    let Some(mut far) = behind() else { return Ok(()) };
    let first = head.lines().next().unwrap_or_default();
    let mut passed = format!("{first}\r\nConnection: close\r\n");
    for line in head.lines().skip(1).filter(|line| !line.to_ascii_lowercase().starts_with("connection:")) {
        passed.push_str(line);
        passed.push_str("\r\n");
    }
    far.write_all(format!("{passed}\r\n").as_bytes())?;
    let sent = if let Cut::Request(bytes) = cut { length.min(bytes) } else { length };
    io::copy(&mut (&mut reader).take(sent), &mut far)?;
    if matches!(cut, Cut::Request(_)) {
        // What has come is to be in the registry before the client asks how far it got.
        far.shutdown(Shutdown::Write)?;
        io::copy(&mut far, &mut io::sink())?;
        return near.shutdown(Shutdown::Both);
    }
    let mut far = BufReader::new(far);
    let mut answer = self::head(&mut far)?;
    match fault {
        Fault::Edit(edit) => {
            let mut body = Vec::new();
            far.read_to_end(&mut body)?;
            edit(&mut body);
            let kept = answer.lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
            answer = kept.fold(String::new(), |text, line| text + line + "\r\n");
            near.write_all(format!("{answer}Content-Length: {}\r\n\r\n", body.len()).as_bytes())?;
            near.write_all(&body)
        }
        Fault::Drip(bytes, pause) => {
            near.write_all(format!("{answer}\r\n").as_bytes())?;
            let mut piece = vec![0; bytes];
            loop {
                let count = far.read(&mut piece)?;
                if count == 0 {
                    return Ok(());
                }
                near.write_all(&piece[..count])?;
                thread::sleep(pause);
            }
        }
        _ => {
            near.write_all(format!("{answer}\r\n").as_bytes())?;
            match cut {
                Cut::Answer(bytes) => io::copy(&mut far.take(bytes), &mut near).map(drop),
                _ => io::copy(&mut far, &mut near).map(drop),
            }
        }
    }
}

/// Everything before the empty line, with line ends.
fn head(from: &mut impl BufRead) -> io::Result<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if from.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head[before..].trim_end().is_empty() {
            head.truncate(before);
            return Ok(head);
        }
    }
}

fn understood(head: &str, log: &Log) -> Ask {
    let mut words = head.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let mut ask = Ask { method, path, headers, before: 0 };
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    ask.before = log.iter().filter(|one| one.method == ask.method && one.place() == ask.place()).count();
    log.push(ask.clone());
    ask
}

fn give(near: &mut TcpStream, answer: &Answer) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", answer.status);
    if answer.announced {
        let length = answer.body.len() as u64 + answer.flood;
        head.push_str(&["Content-Length: ", &length.to_string(), "\r\n"].concat());
    }
    for header in &answer.headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    near.write_all(format!("{head}\r\n").as_bytes())?;
    near.write_all(&answer.body)?;
    io::copy(&mut io::repeat(b' ').take(answer.flood), near)?;
    near.shutdown(Shutdown::Write)
}
