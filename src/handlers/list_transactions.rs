//! ListTransactions (66): the transactional ids that are coordinated here, by state, producer, age and name (KIP-664).

use super::{Answer, Call};
use crate::protocol::messages::{ListTransactionsRequest, ResponseKind};

/// The first version that asks for an age.
const FIRST_VERSION_WITH_DURATION: i16 = 1;

pub(super) async fn handle(call: &Call<'_>, mut request: ListTransactionsRequest) -> Answer {
    if call.version() < FIRST_VERSION_WITH_DURATION {
        request.duration_filter = -1;
    }
    ResponseKind::ListTransactions(call.node.transactions.list(&request).await).into()
}
