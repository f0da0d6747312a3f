//! Why a key has no effect, or is refused: one text for all keys that share the reason.

pub const ALONE: &str = "this node is the only one, there is no other to replicate from or to speak to";
pub const AUTHORIZER: &str = "ACLs are not enforced; remove the key to let every client do everything, or keep this cluster on a broker that enforces them";
pub const BUFFERS: &str = "write buffers are not kept";
pub const EARLY: &str = "the controller's listeners open first";
pub const GROWING: &str = "files grow as they are written, so that an idle partition takes no space";
pub const IN_HAND: &str =
    "requests in hand are bounded by their memory (ottla.request.memory.bytes, queued.max.request.bytes)";
pub const LINGER: &str = "writes that arrive while another is under way are gathered, no time is waited";
pub const NO_FOLLOWER: &str = "the metadata log has no follower that would have to be kept up to date";
pub const NO_SASL: &str = "there is no SASL listener";
pub const NO_TLS: &str = "there is no TLS listener";
pub const ONE_PROCESS: &str = "broker and controller are one process, which needs no heartbeats to know that it lives";
pub const ONE_VOTER: &str = "the quorum has one voter";
pub const POLICY: &str =
    "Java classes cannot be loaded, and a policy that is not asked would let everything pass; remove the key";
pub const PRINCIPAL: &str = "Java classes cannot be loaded, and principals decide who may do what; remove the key";
pub const PURGATORY: &str = "waiting requests are woken by what they wait for, there is no purgatory";
pub const QUOTAS: &str = "quotas are not enforced";
pub const REPORTERS: &str =
    "metrics are served at /metrics of ottla.admin.listener, without samples or reporter classes";
pub const THREADS: &str = "work is spread over the processors, there are no thread pools";
pub const TIERED: &str = "there is no tiered storage";
pub const TLS: &str =
    "TLS is not served, so no client certificate could be asked for; remove the key or set it to none";
pub const TOKENS: &str = "delegation tokens are off";
pub const WHOLE_LOAD: &str = "coordinators read their log as it lies on disk";
