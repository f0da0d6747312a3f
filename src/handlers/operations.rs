//! Authorised operations as clients ask for them: bits by operation code, all of them where no authorizer says less.

/// "Not asked for".
pub const UNKNOWN: i32 = i32::MIN;
/// Every operation on a topic: read, write, create, delete, alter, describe, describe configs, alter configs.
pub const TOPIC: i32 = 0b1101_1111_1000;
/// Every operation on a group: read, delete, describe, describe configs, alter configs.
pub const GROUP: i32 = 0b1101_0100_1000;
/// Every operation on the cluster: create, alter, describe, cluster action, describe configs, alter configs,
/// idempotent write.
pub const CLUSTER: i32 = 0b1_1111_1010_0000;
