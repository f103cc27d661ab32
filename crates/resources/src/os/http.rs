//! What is done on the network: requests with bounded answers, connections, names.

use std::io::Read as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sloth_core::command::CommandOutput;
use sloth_core::machine::Watch;
use sloth_core::web::{self, Answer, Errand, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::OsError;

/// How often a person who wants to stop is asked for.
const BEAT: Duration = Duration::from_millis(50);

fn agent(timeout: Duration, redirects: u32) -> ureq::Agent {
    ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .tls_config(tls())
            .max_redirects(redirects)
            .max_redirects_will_error(redirects > 0)
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .build(),
    )
}

/// Sends a body and reads the beginning of the answer. Redirects are answers like any other. Proxies of the environment
/// are used.
///
/// # Errors
/// Why there was no answer in time.
pub fn post(
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Duration,
    most: usize,
) -> Result<(u16, String), String> {
    let mut request = agent(timeout, 0).post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = request.send(body).map_err(|e| words(&e, timeout))?;
    let mut kept = Vec::new();
    // A body that breaks off has still been answered.
    let _ = answer.body_mut().as_reader().take(most as u64).read_to_end(&mut kept);
    Ok((answer.status().as_u16(), String::from_utf8_lossy(&kept).into_owned()))
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// Why there was no whole answer in time.
pub fn send(request: &Request, timeout: Duration) -> Result<Answer, String> {
    let body = request.body.as_deref().map(web::bytes_of).unwrap_or_default();
    let mut wanted = ureq::http::Request::builder().method(request.method.as_str()).uri(&request.url);
    for (name, value) in &request.headers {
        wanted = wanted.header(name, value);
    }
    let wanted = wanted.body(body).map_err(|e| e.to_string())?;
    let mut answer = agent(timeout, request.redirects).run(wanted).map_err(|e| words(&e, timeout))?;
    let mut kept = Vec::new();
    let mut reader = answer.body_mut().as_reader().take(request.most.saturating_add(1));
    reader.read_to_end(&mut kept).map_err(|e| format!("the answer broke off: {}", plain(&e)))?;
    if kept.len() as u64 > request.most {
        return Err(format!("the answer has more than {} bytes", request.most));
    }
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Ok(Answer { status: answer.status().as_u16(), headers, body: web::text_of(&kept) })
}

/// Opens a connection and closes it again.
///
/// # Errors
/// Why it could not be opened to any address of the host.
fn connect(host: &str, port: u16, timeout: Duration) -> Result<(), String> {
    let end = Instant::now() + timeout;
    let mut last = "it has no address".to_owned();
    for address in (host, port).to_socket_addrs().map_err(|e| plain(&e))? {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("no answer within {timeout:?}"));
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                last = format!("no answer within {timeout:?}");
            }
            Err(error) => last = plain(&error),
        }
    }
    Err(last)
}

fn resolve(name: &str) -> Result<String, String> {
    let mut lines = Vec::new();
    for address in (name, 0).to_socket_addrs().map_err(|e| plain(&e))? {
        let line = address.ip().to_string();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Ok(lines.join("\n"))
}

/// Does an errand, as a command of it would be run: what went wrong is said on standard error, with exit code 1.
///
/// # Errors
/// The watch cancelled it; what it does goes on by itself until its time is over.
pub fn run(
    errand: &Errand,
    line: &str,
    timeout: Duration,
    watch: &dyn Watch,
) -> Result<CommandOutput, OsError> {
    let (done, wait) = channel();
    let owned = errand.clone();
    let what = || format!("running `{line}`");
    std::thread::Builder::new()
        .name("sloth-web".to_owned())
        .spawn(move || {
            let outcome = match &owned {
                Errand::Http(request) => {
                    send(request, timeout).map(|answer| serde_json::to_string(&answer).unwrap_or_default())
                }
                Errand::Connect { host, port } => connect(host, *port, timeout).map(|()| String::new()),
                Errand::Resolve { name } => resolve(name),
                // The machine itself answers this one, from its files.
                Errand::Facts { topic, .. } => Err(format!("nothing is known of `{topic}` here")),
            };
            // Nobody waits any more when it was cancelled.
            let _ = done.send(outcome);
        })
        .map_err(|e| OsError::failed(what(), plain(&e)))?;
    loop {
        match wait.recv_timeout(BEAT) {
            Ok(Ok(stdout)) => return Ok(CommandOutput { stdout, ..CommandOutput::default() }),
            Ok(Err(stderr)) => {
                return Ok(CommandOutput { stderr, exit_code: 1, ..CommandOutput::default() });
            }
            Err(RecvTimeoutError::Timeout) if watch.cancelled() => {
                return Err(OsError::refused(what(), "it was cancelled"));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(OsError::failed(what(), "it ended in an internal error"));
            }
        }
    }
}

fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.clone(), |(words, _)| words.to_lowercase())
}

fn words(error: &ureq::Error, timeout: Duration) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {timeout:?}"),
        ureq::Error::Io(error) => plain(error),
        other => other.to_string(),
    }
}

/// TLS with the certificates this host trusts, read once and only when they are needed.
fn tls() -> TlsConfig {
    static TLS: OnceLock<TlsConfig> = OnceLock::new();
    TLS.get_or_init(|| {
        let trusted = rustls_native_certs::load_native_certs().certs;
        let trusted: Vec<_> = trusted
            .iter()
            .map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned())
            .collect();
        TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(trusted)))
            .build()
    })
    .clone()
}

/// HMAC-SHA256 in hexadecimal digits.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> String {
    use std::fmt::Write as _;
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers one connection after the other with these texts, and says what was sent.
    fn server(answers: Vec<String>) -> (u16, std::thread::JoinHandle<Vec<String>>) {
        use std::io::Write as _;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut text = Vec::new();
                let mut part = [0; 4096];
                loop {
                    let n = stream.read(&mut part).unwrap();
                    text.extend_from_slice(&part[..n]);
                    let said = String::from_utf8_lossy(&text).to_lowercase();
                    let Some((head, body)) = said.split_once("\r\n\r\n") else { continue };
                    let size = head.lines().find_map(|l| l.strip_prefix("content-length: "));
                    if body.len() >= size.map_or(0, |s| s.parse().unwrap()) {
                        break;
                    }
                }
                stream.write_all(answer.as_bytes()).unwrap();
                seen.push(String::from_utf8_lossy(&text).into_owned());
            }
            seen
        });
        (port, thread)
    }
    fn answer(status: &str, headers: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
            body.len()
        )
    }
    fn request(method: &str, url: String) -> Request {
        Request { method: method.to_owned(), url, headers: vec![], body: None, redirects: 5, most: 100 }
    }
    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn requests_are_sent_whole_and_answers_are_bounded() {
        let (port, thread) = server(vec![
            answer("201 Created", "X-A: 1\r\nX-A: 2\r\n", "made"),
            answer("302 Found", "Location: /there\r\n", ""),
            answer("404 Not Found", "", "no such page"),
            answer("302 Found", "Location: /there\r\n", ""),
            answer("200 OK", "", &"x".repeat(101)),
        ]);
        let at = |path: &str| format!("http://127.0.0.1:{port}{path}");
        let mut post = request("POST", at("/new"));
        post.headers.push(("X-Key".to_owned(), "v".to_owned()));
        post.body = Some(web::text_of(&[b'a', 0xff]));
        let made = send(&post, SOON).unwrap();
        assert_eq!((made.status, made.body.as_str()), (201, "made"));
        assert_eq!(made.headers.iter().filter(|(name, _)| name == "x-a").count(), 2);
        // Followed, and what is at the end is an answer even when it is none of success.
        assert_eq!(send(&request("GET", at("/old")), SOON).unwrap().status, 404);
        let mut stay = request("GET", at("/old"));
        stay.redirects = 0;
        assert_eq!(send(&stay, SOON).unwrap().status, 302);
        assert_eq!(
            send(&request("GET", at("/big")), SOON).unwrap_err(),
            "the answer has more than 100 bytes"
        );
        let seen = thread.join().unwrap();
        assert!(seen[0].starts_with("POST /new HTTP/1.1"), "{}", seen[0]);
        assert!(seen[0].to_lowercase().contains("x-key: v"), "{}", seen[0]);
        assert!(seen[2].starts_with("GET /there"), "{}", seen[2]);
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = send(&request("GET", format!("http://127.0.0.1:{port}/")), Duration::from_millis(50));
        assert_eq!(silent.unwrap_err(), "no answer within 50ms");
        assert_eq!(connect("127.0.0.1", port, SOON), Ok(()));
        drop(listener);
        assert_eq!(connect("127.0.0.1", port, SOON).unwrap_err(), "connection refused");
        let mut bad = request("GET", "http://127.0.0.1/".to_owned());
        bad.headers.push(("X".to_owned(), "a\r\nInjected: 1".to_owned()));
        assert!(send(&bad, SOON).is_err());
        assert!(send(&request("GET", "file:///etc/passwd".to_owned()), SOON).is_err());
        assert_eq!(resolve("127.0.0.1").unwrap(), "127.0.0.1");
    }

    #[test]
    fn who_wants_to_stop_does_not_wait_for_an_answer() {
        struct Impatient;
        impl Watch for Impatient {
            fn line(&self, _: &'static str, _: &str) {}
            fn cancelled(&self) -> bool {
                true
            }
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let errand = Errand::Http(request("GET", format!("http://127.0.0.1:{port}/")));
        let began = Instant::now();
        let error = run(&errand, "GET it", Duration::from_secs(20), &Impatient).unwrap_err();
        assert!(error.to_string().contains("it was cancelled"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    /// RFC 4231, cases 1, 2 and 6.
    #[test]
    fn signatures_are_those_of_the_standard() {
        assert_eq!(
            hmac_sha256(&[0x0b; 20], &[b"Hi There"]),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hmac_sha256(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"]),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
