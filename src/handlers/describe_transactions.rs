//! DescribeTransactions (65): the states of transactional ids that are coordinated here (KIP-664).

use super::{Answer, Call};
use crate::protocol::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: DescribeTransactionsRequest) -> Answer {
    let mut response = DescribeTransactionsResponse::default();
    for id in &request.transactional_ids {
        response.transaction_states.push(call.node.transactions.describe(id).await);
    }
    ResponseKind::DescribeTransactions(response).into()
}
