//! Which of a topic's subscribers has the fewest partitions, and which the most, while partitions go from these to those.
//!
//! The subscribers stand in a row, ordered by how many partitions they have. On the left a range of members that all have
//! the fewest grows to the right as each gets one more; on the right a range of those that have the most grows to the
//! left as each gives one away. Both go round within their range, so that every step costs the same.
//!
//! ```text
//!   count     least ▶         ◀ most
//!     │                     [####]!!   ! has none of this topic to give
//!     │                   ##[####]!!
//!     │   [....▶      ]#####[####]!!
//!     │   [###########]#####[####]!!
//!     └───────────────────────────────▶ members
//! ```

/// A row of members, by index.
#[derive(Default)]
pub(super) struct Balancer {
    row: Vec<usize>,
    /// End of the left range.
    least_end: usize,
    least_count: i64,
    least_next: usize,
    /// The right range, from here to there; what is behind it has nothing to give.
    most_start: usize,
    most_end: usize,
    most_count: i64,
    /// One past the next to give.
    most_next: usize,
}

impl Balancer {
    /// Lines up `members`, of which there is at least one; says how far apart the ends of the row are.
    pub fn line_up(&mut self, members: &[usize], counts: &[i64]) -> i64 {
        self.row.clear();
        self.row.extend(members);
        self.row.sort_by_key(|member| (counts[*member], *member));
        let (first, last) = (counts[self.row[0]], counts[self.row[self.row.len() - 1]]);
        self.least_end = 0;
        self.least_count = first - 1;
        self.least_next = 0;
        self.most_start = self.row.len();
        self.most_end = self.row.len();
        self.most_count = last + 1;
        self.most_next = self.row.len();
        last - first
    }

    /// The member that shall get the next partition. `counts` are those of when the row was lined up, with all changes since.
    pub fn next_least(&mut self, counts: &[i64]) -> usize {
        if self.least_next >= self.least_end {
            self.least_count += 1;
            while self.least_end < self.row.len() && counts[self.row[self.least_end]] == self.least_count {
                self.least_end += 1;
            }
            self.least_next = 0;
        }
        let member = self.row[self.least_next];
        self.least_next += 1;
        member
    }

    /// The member that shall give its next partition away, if anybody has one to give.
    pub fn next_most(&mut self, counts: &[i64]) -> Option<usize> {
        if self.most_next <= self.most_start {
            if self.most_end <= self.most_start && self.most_start > 0 {
                // Everybody in the range was sent out of it: begin a new one.
                self.most_count = counts[self.row[self.most_start - 1]];
            } else {
                self.most_count -= 1;
            }
            while self.most_start > 0 && counts[self.row[self.most_start - 1]] == self.most_count {
                self.most_start -= 1;
            }
            self.most_next = self.most_end;
        }
        if self.most_next == 0 {
            return None;
        }
        self.most_next -= 1;
        Some(self.row[self.most_next])
    }

    /// The member named last has none of this topic's partitions to give.
    pub fn exclude_most(&mut self) {
        self.most_end -= 1;
        self.row.swap(self.most_next, self.most_end);
    }

    /// Whether another move would gain nothing.
    pub fn is_balanced(&self) -> bool {
        self.most_count - self.least_count <= 1
    }
}
