//! Ports to those outside that are asked on behalf of stations. Nobody is asked whom the operator
//! has not named.

use crate::message::ContractRequest;
use async_trait::async_trait;
use std::sync::Arc;

/// Who tells of certificates that were not issued here (OCSP, RFC 6960).
#[async_trait]
pub trait OcspResponders: Send + Sync + 'static {
    /// Has the responder at `url` answer a question (OCSPRequest in DER) and gives its answer
    /// (OCSPResponse in DER); `None` where it may not be asked, or does not answer as it should.
    async fn ask(&self, url: &str, request: Vec<u8>) -> Option<Vec<u8>>;
}

/// Who gives vehicles their contract certificates (ISO 15118 Plug & Charge).
#[async_trait]
pub trait ContractProvisioning: Send + Sync + 'static {
    /// The answers for the vehicle (EXI, in base64), one for each of its contracts; none where
    /// there is nothing for it, or no answer came.
    async fn provision(&self, request: &ContractRequest) -> Vec<String>;
}

/// Who is asked.
#[derive(Clone)]
pub struct Outside {
    /// About certificates.
    pub responders: Arc<dyn OcspResponders>,
    /// For contracts.
    pub contracts: Arc<dyn ContractProvisioning>,
}

impl Default for Outside {
    fn default() -> Self {
        Self { responders: Arc::new(Nobody), contracts: Arc::new(Nobody) }
    }
}

/// Where nobody is asked.
struct Nobody;

#[async_trait]
impl OcspResponders for Nobody {
    async fn ask(&self, _: &str, _: Vec<u8>) -> Option<Vec<u8>> {
        None
    }
}

#[async_trait]
impl ContractProvisioning for Nobody {
    async fn provision(&self, _: &ContractRequest) -> Vec<String> {
        Vec::new()
    }
}
