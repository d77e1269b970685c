//! Peer gateway: axum and serde in front of the peer service.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{body::Bytes, routing::any, Router};
use peers::{call_history_client::CallHistoryClient, option, CountRequest, ListRequest};
use serde::{Deserialize, Deserializer};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

type Client = CallHistoryClient<Channel>;

const JSON: &str = "application/json; charset=utf-8";

/// An integer that may come as a decimal string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Integer(i32),
    Text(String),
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i32>, D::Error> {
    match Option::<Number>::deserialize(from)? {
        Some(Number::Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
        Some(Number::Integer(value)) => Ok(Some(value)),
        None => Ok(None),
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Asked {
    vbot_id: String,
    project_code: String,
    phone: String,
    #[serde(deserialize_with = "number")]
    page: Option<i32>,
    #[serde(deserialize_with = "number")]
    size: Option<i32>,
}

fn failure(code: u16, message: &str) -> Response {
    let body = serde_json::json!({"status": 0, "error": code, "message": message}).to_string();
    let status = StatusCode::from_u16(code).unwrap();
    let mut response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
    if code == 401 {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, "Bearer".parse().unwrap());
    }
    response
}

fn failed(status: Status) -> Response {
    let code = match status.code() {
        Code::InvalidArgument => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::ResourceExhausted => 429,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        _ => 500,
    };
    failure(code, status.message())
}

fn with_token<T>(message: T, headers: &HeaderMap) -> Request<T> {
    let mut request = Request::new(message);
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(value) = value.and_then(|value| value.parse().ok()) {
        request.metadata_mut().insert("authorization", value);
    }
    request
}

fn answer<T: serde::Serialize>(result: Result<tonic::Response<T>, Status>) -> Response {
    match result {
        Ok(response) => match serde_json::to_vec(response.get_ref()) {
            Ok(body) => ([(header::CONTENT_TYPE, JSON)], body).into_response(),
            Err(_) => failure(500, "the answer can't be written"),
        },
        Err(status) => failed(status),
    }
}

async fn get_all(State(mut client): State<Client>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return failure(400, "the body is not the JSON object that is expected");
    };
    let Asked { vbot_id, project_code, phone, page, size } = asked;
    if page.is_none() && size.is_none() {
        return answer(client.count(with_token(CountRequest { vbot_id, project_code, phone }, &headers)).await);
    }
    answer(client.list(with_token(ListRequest { vbot_id, project_code, phone, page, size }, &headers)).await)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let channel = Endpoint::try_from(option("service"))?.connect_lazy();
    let routes = Router::new()
        .route("/api/crm/historycall/getAll", any(get_all))
        .fallback(|| async { failure(404, "no such path") })
        .layer(DefaultBodyLimit::max(4096))
        .with_state(Client::new(channel));
    let listener = tokio::net::TcpListener::bind(option("listen")).await?;
    axum::serve(listener, routes).await?;
    Ok(())
}
