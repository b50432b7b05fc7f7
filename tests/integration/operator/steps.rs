//! Random commands, of all kinds that change a namespace or move it about.
//!
//! The kinds are drawn as cards from a shuffled deck, so that a history of a few decks has each of them, and often.

use super::random::Random;

/// A command: its arguments.
pub(crate) type Command = Vec<Vec<u8>>;

pub(crate) const NAMESPACES: [&str; 3] = ["alkey", "alkey{a}", "alkey{b}"];
pub(crate) const DATABASES: usize = 3;

/// A row's name is any bytes; a table's, too, but for `#`.
const TABLES: [&[u8]; 4] = [b"users", b"orders", b"%s%n\0", b"\xff\xfe "];

/// More rows than `alkey.max-rows` allows, so that floors are raised.
const ROWS: usize = 150;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Record,
    Commit,
    Discard,
    Touch,
    TouchMany,
    Look,
    Select,
    Lease,
    Limits,
    Flush,
    Delete,
    Rename,
    Move,
    SwapDatabases,
    Dump,
    Restore,
    Expire,
    WrongType,
    Multi,
    Script,
}

const DECK: [(Kind, usize); 20] = [
    (Kind::Record, 20),
    (Kind::Commit, 12),
    (Kind::Discard, 4),
    (Kind::Touch, 16),
    (Kind::TouchMany, 8),
    (Kind::Look, 8),
    (Kind::Select, 8),
    (Kind::Lease, 4),
    (Kind::Limits, 2),
    (Kind::Flush, 1),
    (Kind::Delete, 2),
    (Kind::Rename, 2),
    (Kind::Move, 2),
    (Kind::SwapDatabases, 1),
    (Kind::Dump, 3),
    (Kind::Restore, 2),
    (Kind::Expire, 1),
    (Kind::WrongType, 1),
    (Kind::Multi, 3),
    (Kind::Script, 3),
];

/// What the commands are made from, and what a former command left for a later one.
pub(crate) struct Steps {
    random: Random,
    deck: Vec<Kind>,
    /// What DUMP gave, to be restored later, when it is older than what is there.
    pub(crate) dumps: Vec<Vec<u8>>,
}

impl Steps {
    pub(crate) fn new(random: Random) -> Self {
        Self { random, deck: Vec::new(), dumps: Vec::new() }
    }

    /// The next step: a command, or several, as in a MULTI.
    pub(crate) fn next(&mut self) -> Vec<Command> {
        if self.deck.is_empty() {
            self.deck = DECK.iter().flat_map(|(kind, count)| vec![*kind; *count]).collect();
            self.random.shuffle(&mut self.deck);
        }
        match self.deck.pop().expect("a deck has cards") {
            Kind::Multi => {
                let inner = self.some_commands();
                [vec![command(&["MULTI"])], inner, vec![command(&["EXEC"])]].concat()
            }
            Kind::Script => vec![self.script()],
            kind => vec![self.command(kind)],
        }
    }

    /// Commands as they may stand in a transaction of the server or in a script.
    fn some_commands(&mut self) -> Vec<Command> {
        const KINDS: [Kind; 8] = [
            Kind::Record,
            Kind::Commit,
            Kind::Discard,
            Kind::Touch,
            Kind::TouchMany,
            Kind::Look,
            Kind::Delete,
            Kind::Rename,
        ];
        (0..=self.random.below(4))
            .map(|_| {
                let kind = *self.random.of(&KINDS);
                self.command(kind)
            })
            .collect()
    }

    fn command(&mut self, kind: Kind) -> Command {
        let namespace = *self.random.of(&NAMESPACES);
        let other = *self.random.of(&NAMESPACES);
        let number = |number: usize| number.to_string();
        match kind {
            Kind::Record => self.with_identifiers(&["ALKEY.RECORD"], Some(namespace), 1, 5),
            Kind::Commit => self.with_identifiers(&["ALKEY.COMMIT"], Some(namespace), 0, 3),
            Kind::Discard => vec![b"ALKEY.DISCARD".to_vec(), self.transaction(namespace)],
            Kind::Touch => self.with_identifiers(&["ALKEY.TOUCH"], None, 1, 4),
            Kind::TouchMany => self.with_identifiers(&["ALKEY.TOUCH"], None, 30, 60),
            Kind::Look => {
                let name = *self.random.of(&["ALKEY.KEY", "ALKEY.LOOKUP", "ALKEY.KEY_RO", "ALKEY.EXPLAIN"]);
                self.with_identifiers(&[name], None, 1, 4)
            }
            Kind::Select => command(&["SELECT", &number(self.random.below(DATABASES))]),
            Kind::Lease => {
                let lease_ms = *self.random.of(&["1", "1", "20", "500"]);
                command(&["CONFIG", "SET", "alkey.lease-ms", lease_ms])
            }
            Kind::Limits => {
                let (rows, threshold) = self.random.of(&[("64", "3"), ("64", "10000"), ("1000", "20")]);
                command(&["CONFIG", "SET", "alkey.max-rows", rows, "alkey.sweep-threshold", threshold])
            }
            Kind::Flush => command(&[*self.random.of(&["FLUSHDB", "FLUSHDB", "FLUSHALL"])]),
            Kind::Delete => command(&[*self.random.of(&["DEL", "UNLINK"]), namespace]),
            Kind::Rename => command(&["RENAME", namespace, other]),
            Kind::Move => command(&["MOVE", namespace, &number(self.random.below(DATABASES))]),
            Kind::SwapDatabases => {
                let [one, two] = [(); 2].map(|()| number(self.random.below(DATABASES)));
                command(&["SWAPDB", &one, &two])
            }
            Kind::Dump => command(&["DUMP", namespace]),
            Kind::Restore if self.dumps.is_empty() => command(&["DUMP", namespace]),
            Kind::Restore => {
                let dump = self.random.of(&self.dumps).clone();
                let mut restore = command(&["RESTORE", namespace, "0", "", "REPLACE"]);
                restore[3] = dump;
                restore
            }
            Kind::Expire => command(&["PEXPIRE", namespace, *self.random.of(&["1", "50", "100000"])]),
            Kind::WrongType => command(&["SET", namespace, "no namespace"]),
            Kind::Multi | Kind::Script => panic!("they are made of commands"),
        }
    }

    /// A command with so many identifiers, of one namespace if it has a transaction, else of any.
    fn with_identifiers(
        &mut self,
        head: &[&str],
        transaction_of: Option<&'static str>,
        least: usize,
        most: usize,
    ) -> Command {
        let mut words = command(head);
        words.extend(transaction_of.map(|namespace| self.transaction(namespace)));
        for _ in 0..least + self.random.below(most - least + 1) {
            let any = *self.random.of(&NAMESPACES);
            words.push(self.identifier(transaction_of.unwrap_or(any)));
        }
        words
    }

    /// One of a few names, so that transactions are recorded again, also after they ended.
    fn transaction(&mut self, namespace: &str) -> Vec<u8> {
        format!("{namespace}:tx:{}", self.random.below(6)).into_bytes()
    }

    fn identifier(&mut self, namespace: &str) -> Vec<u8> {
        let row = if self.random.one_in(40) { "*".to_owned() } else { self.random.below(ROWS).to_string() };
        let table = if row == "*" && self.random.one_in(4) { b"*" } else { *self.random.of(&TABLES) };
        [namespace.as_bytes(), b":", table, b"#", row.as_bytes()].concat()
    }

    /// Commands in one script. What fails in it, such as RENAME of nothing, doesn't end it.
    fn script(&mut self) -> Command {
        let commands = self.some_commands();
        let calls: String = commands
            .iter()
            .scan(1, |next, words| {
                let (first, last) = (*next, *next + words.len() - 1);
                *next += words.len();
                Some(format!("redis.pcall(unpack(ARGV, {first}, {last})) "))
            })
            .collect();
        [vec![b"EVAL".to_vec(), calls.into_bytes(), b"0".to_vec()], commands.concat()].concat()
    }
}

/// A command of words that can be typed.
pub(crate) fn command(words: &[&str]) -> Command {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}
