//! What is read from the database, and under which identifiers it is cached.

use super::database::Row;
use super::random::Random;

const TABLES: usize = 2;
const ROWS_PER_TABLE: usize = 64;
pub(super) const ROWS: usize = TABLES * ROWS_PER_TABLE;

/// Two rows that are read together are this far apart, so that some pairs span the tables.
const PAIR_DISTANCE: usize = 61;

/// Some rows, and the identifiers that a key of them is made from.
pub(super) struct Subject {
    pub(super) rows: Vec<Row>,
    pub(super) identifiers: Vec<String>,
}

/// All that is read.
pub(super) struct Subjects {
    /// Single rows and whole tables.
    pub(super) plain: Vec<Subject>,
    /// Two rows each. Careless readers fill the cache with these alone, so that the plain ones tell how stale what
    /// relaxed readers get can be.
    pub(super) pairs: Vec<Subject>,
}

impl Subjects {
    pub(super) fn new(namespace: &str) -> Self {
        let row_identifier = |row| row_identifier(namespace, row);
        let rows = (0..ROWS).map(|row| Subject { rows: vec![row], identifiers: vec![row_identifier(row)] });
        let tables = (0..TABLES).map(|table| Subject {
            rows: rows_of(table).collect(),
            identifiers: vec![format!("{namespace}:t{table}#*")],
        });
        let pairs = (0..ROWS).step_by(2).map(|row| {
            let rows = vec![row, (row + PAIR_DISTANCE) % ROWS];
            Subject { identifiers: rows.iter().copied().map(row_identifier).collect(), rows }
        });
        Self { plain: rows.chain(tables).collect(), pairs: pairs.collect() }
    }

    /// Any of the plain ones; a table is as probable as four rows.
    pub(super) fn any_plain(&self, random: &mut Random) -> &Subject {
        let drawn = random.index(ROWS + 4 * TABLES);
        &self.plain[if drawn < ROWS { drawn } else { ROWS + (drawn - ROWS) % TABLES }]
    }

    pub(super) fn any_pair(&self, random: &mut Random) -> &Subject {
        &self.pairs[random.index(self.pairs.len())]
    }

    pub(super) fn any(&self, random: &mut Random) -> &Subject {
        if random.one_in(4) { self.any_pair(random) } else { self.any_plain(random) }
    }
}

/// What a writer changes: mostly a few rows; now and then many rows that it names by their table, or by everything.
pub(super) fn any_change(namespace: &str, random: &mut Random) -> Subject {
    let many = |random: &mut Random, rows: std::ops::Range<Row>| -> Vec<Row> {
        let mut rows: Vec<Row> = rows.filter(|_| random.one_in(3)).collect();
        rows.push(0);
        rows
    };
    match random.below(400) {
        0 => Subject { rows: many(random, 0..ROWS), identifiers: vec![format!("{namespace}:*#*")] },
        1..4 => Subject { rows: many(random, rows_of(0)), identifiers: vec![format!("{namespace}:t0#*")] },
        _ => {
            let mut rows: Vec<Row> = (0..=random.below(3)).map(|_| random.index(ROWS)).collect();
            rows.sort_unstable();
            rows.dedup();
            let identifiers = rows.iter().map(|row| row_identifier(namespace, *row)).collect();
            Subject { rows, identifiers }
        }
    }
}

fn rows_of(table: usize) -> std::ops::Range<Row> {
    table * ROWS_PER_TABLE..(table + 1) * ROWS_PER_TABLE
}

fn row_identifier(namespace: &str, row: Row) -> String {
    format!("{namespace}:t{}#{}", row / ROWS_PER_TABLE, row % ROWS_PER_TABLE)
}
