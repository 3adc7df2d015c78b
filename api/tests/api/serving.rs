//! Serving over real sockets.

use crate::harness::{PATIENCE, TOKEN, TestApi};
use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

async fn serve(api: &TestApi, router: Router) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = api.shutdown.clone();
    (address, tokio::spawn(chargebook_api::serve(listener, router, shutdown)))
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket
}

/// Reads until a text has come.
async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut read = String::new();
    let reading = async {
        while !read.contains(end) {
            let mut bytes = [0; 1024];
            let count = socket.read(&mut bytes).await.expect("read");
            assert!(count > 0, "it ended early: {read}");
            read.push_str(std::str::from_utf8(&bytes[..count]).expect("UTF-8"));
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("in time");
    read
}

#[tokio::test]
async fn open_streams_and_idle_connections_do_not_hold_the_server_up() {
    let api = TestApi::start().await;
    let (address, server) = serve(&api, api.router.clone()).await;
    let mut idle = ask(address, "/health/live").await;
    let answer = read_until(&mut idle, r#"{"status":"live"}"#).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut stream = ask(address, "/v1/stream").await;
    read_until(&mut stream, "event: position").await;

    api.shutdown.cancel();
    let served = tokio::time::timeout(PATIENCE, server).await.expect("it ends in time");
    served.expect("no panic").expect("served");
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("closed");
    assert!(rest.is_empty(), "{rest:?}");
    stream.read_to_end(&mut rest).await.expect("closed");
    TcpStream::connect(address).await.expect_err("nobody listens");
}

#[tokio::test]
async fn what_stands_beside_the_api_is_told_the_clients_address() {
    let api = TestApi::start().await;
    let beside = Router::new().route(
        "/beside",
        get(|ConnectInfo(remote): ConnectInfo<SocketAddr>| async move { remote.to_string() }),
    );
    let (address, _server) = serve(&api, api.router.clone().merge(beside)).await;
    let mut socket = ask(address, "/beside").await;
    let local = socket.local_addr().expect("an address").to_string();
    read_until(&mut socket, &local).await;
}
