//! Tables as several of Kafka's tools print them: columns as wide as their widest cell, a tab behind each.

use super::Output;

/// Prints the headers and the rows.
pub fn print<const COLUMNS: usize>(headers: [&str; COLUMNS], rows: &[[String; COLUMNS]], output: &mut Output) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0).max(headers[column].len())
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let line = |cell: &dyn Fn(usize) -> String| {
        (0..COLUMNS).map(|column| format!("{:width$}\t", cell(column), width = widths[column])).collect::<String>()
    };
    output.line(line(&|column| headers[column].to_owned()));
    for row in rows {
        output.line(line(&|column| row[column].clone()));
    }
}
