//! Peer service: tonic over redis-rs, on the Go peers' data: a protobuf value per call, a sorted set of ids per number.

use peers::call_history_server::{CallHistory, CallHistoryServer};
use peers::{canonical, option, tenant_key, Call, CountRequest, CountResponse, ListRequest, ListResponse};
use prost::Message;
use redis::{aio::MultiplexedConnection, AsyncCommands, RedisError};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use tonic::{metadata::MetadataMap, Request, Response, Status};

/// The tenants that a token opens, and until when that is known: for a second, so that a page costs no extra trip.
type Tenants = (Arc<Vec<String>>, Instant);

struct Service {
    redis: MultiplexedConnection,
    tokens: RwLock<HashMap<String, Tenants>>,
}

fn away(_: RedisError) -> Status {
    Status::unavailable("the store is away")
}

fn check(field: &str, value: &str, limit: usize) -> Result<(), Status> {
    if value.is_empty() || value.len() > limit {
        return Err(Status::invalid_argument(format!("{field} is missing or too long")));
    }
    if value.bytes().any(|c| c < 0x20 || c == 0x7f) {
        return Err(Status::invalid_argument(format!("{field} has a control character")));
    }
    Ok(())
}

impl Service {
    async fn tenants(&self, token: &str) -> Result<Arc<Vec<String>>, Status> {
        if let Some((tenants, until)) = self.tokens.read().unwrap().get(token) {
            if Instant::now() < *until {
                return Ok(tenants.clone());
            }
        }
        let key = format!("token:{:x}", Sha256::digest(token.as_bytes()));
        let found: Vec<String> = self.redis.clone().smembers(key).await.map_err(away)?;
        if found.is_empty() {
            return Err(Status::unauthenticated("the token is not valid"));
        }
        let (tenants, until) = (Arc::new(found), Instant::now() + Duration::from_secs(1));
        let mut tokens = self.tokens.write().unwrap();
        if tokens.len() >= 4096 {
            tokens.clear();
        }
        tokens.insert(token.to_owned(), (tenants.clone(), until));
        Ok(tenants)
    }

    async fn tenant(&self, metadata: &MetadataMap, project: &str, vbot: &str) -> Result<String, Status> {
        let value = metadata.get("authorization").and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer "));
        let tenants = self.tenants(token.ok_or_else(|| Status::unauthenticated("credentials are missing"))?).await?;
        check("project_code", project, 64)?;
        check("vbot_id", vbot, 64)?;
        let tenant = tenant_key(project, vbot);
        if !tenants.contains(&tenant) {
            return Err(Status::permission_denied("the token does not open this account"));
        }
        Ok(tenant)
    }
}

#[tonic::async_trait]
impl CallHistory for Service {
    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let asked = request.get_ref();
        let tenant = self.tenant(request.metadata(), &asked.project_code, &asked.vbot_id).await?;
        check("phone", &asked.phone, 32)?;
        let page = asked.page.filter(|page| *page >= 1);
        let size = asked.size.filter(|size| (1..=1000).contains(size));
        let page = page.ok_or_else(|| Status::invalid_argument("page is missing or below 1"))? as isize;
        let size = size.ok_or_else(|| Status::invalid_argument("size is missing or not from 1 to 1000"))? as isize;
        let key = format!("{tenant}:calls:{}", canonical(&asked.phone));
        let mut redis = self.redis.clone();
        let start = (page - 1) * size;
        let ids: Vec<String> = redis.zrevrange(key, start, start + size - 1).await.map_err(away)?;
        let mut data = Vec::with_capacity(ids.len());
        if !ids.is_empty() {
            let keys: Vec<String> = ids.iter().map(|id| format!("{tenant}:call:{id}")).collect();
            let values: Vec<Option<Vec<u8>>> = redis.mget(keys).await.map_err(away)?;
            for value in values.iter().flatten() {
                data.push(Call::decode(&value[..]).map_err(|_| Status::internal("a record can't be understood"))?);
            }
        }
        Ok(Response::new(ListResponse { status: 1, error: 0, message: "success".into(), data }))
    }

    async fn count(&self, request: Request<CountRequest>) -> Result<Response<CountResponse>, Status> {
        let asked = request.get_ref();
        let tenant = self.tenant(request.metadata(), &asked.project_code, &asked.vbot_id).await?;
        check("phone", &asked.phone, 32)?;
        let key = format!("{tenant}:calls:{}", canonical(&asked.phone));
        let data: i32 = self.redis.clone().zcard(key).await.map_err(away)?;
        Ok(Response::new(CountResponse { status: 1, error: 0, message: "success".into(), data }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let redis = redis::Client::open(format!("unix://{}", option("redis")))?.get_multiplexed_async_connection().await?;
    let listener = tokio::net::UnixListener::bind(option("listen"))?;
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
    let service = CallHistoryServer::new(Service { redis, tokens: RwLock::default() });
    tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await?;
    Ok(())
}
