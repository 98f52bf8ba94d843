//! Nodes are replaced one by one: what a process of the release before says to the database is answered as before once the
//! tables are those of the next release. Each step of the schema is taken here over tables with rows, and all that could be
//! said before it is said again. The other half, that a process does not mind tables with more in them than it knows, is
//! held where everything is written: `everywhere`.

use crate::kit::{DATABASE_TIMEOUT, TestApp, postgres_database};
use lyceum::db::Db;
use lyceum::migrations::Migrator;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, QueryResult, Statement,
    TransactionTrait,
};
use sea_orm_migration::MigratorTrait as _;
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;

/// A row that stays in each table, and one that comes and goes: every key of theirs is this number, so that one points at
/// the other.
const KEPT: &str = "71";
const OWN: &str = "72";

/// The tables, by name.
type Schema = BTreeMap<String, Table>;

/// What a database says of a table.
#[derive(Default)]
struct Table {
    columns: BTreeMap<String, Column>,
    /// The columns of which no two rows have the same values; with [`SOME`], of those rows alone that meet a condition.
    unique: BTreeSet<Vec<String>>,
    /// Columns, and the table in which their values have to be.
    references: BTreeSet<(Vec<String>, String)>,
}

const SOME: &str = "(of some)";

struct Column {
    kind: String,
    is_nullable: bool,
    has_default: bool,
    /// Whether the database computes it, so that nobody writes it.
    is_computed: bool,
}

impl Table {
    /// The columns that are written, quoted.
    fn written(&self) -> impl Iterator<Item = (String, &Column)> {
        let written = self.columns.iter().filter(|(_, one)| !one.is_computed);
        written.map(|(name, one)| (format!("\"{name}\""), one))
    }

    /// `"a" = '72', "b" = '72'` of some columns, as they are in the own row.
    fn values<'a>(&self, of: impl Iterator<Item = &'a String>, joint: &str) -> String {
        let each = of.map(|name| format!("\"{name}\" = {}", self.columns[name].value(OWN)));
        each.collect::<Vec<_>>().join(joint)
    }

    /// A row; every column is named, as the entities do.
    fn insert(&self, name: &str, row: &str) -> String {
        let names: Vec<String> = self.written().map(|(name, _)| name).collect();
        let values: Vec<String> = self.written().map(|(_, one)| one.value(row)).collect();
        let (names, values) = (names.join(", "), values.join(", "));
        format!("INSERT INTO \"{name}\" ({names}) VALUES ({values})")
    }

    /// What is said of the own row, but for its end.
    fn sentences(&self, name: &str) -> [(&'static str, String); 4] {
        let all: Vec<String> = self.written().map(|(name, _)| name).collect();
        let key: Vec<String> = self.key().iter().map(|one| format!("\"{one}\"")).collect();
        let own = self.values(self.key().iter(), " AND ");
        let written = self.columns.iter().filter(|(_, one)| !one.is_computed);
        let same = self.values(written.map(|(name, _)| name), ", ");
        let (all, key, insert) = (all.join(", "), key.join(", "), self.insert(name, OWN));
        [
            ("read", format!("SELECT {all} FROM \"{name}\"")),
            ("insert", insert.clone()),
            (
                "insert or update",
                format!("{insert} ON CONFLICT ({key}) DO UPDATE SET {same}"),
            ),
            (
                "update",
                format!("UPDATE \"{name}\" SET {same} WHERE {own}"),
            ),
        ]
    }

    fn key(&self) -> &Vec<String> {
        let mut whole = self.unique.iter().filter(|key| !key.contains(&SOME.into()));
        whole.next().expect("each table has a key")
    }
}

impl Column {
    /// A value that it can hold, and its own in each row.
    fn value(&self, row: &str) -> String {
        let kind = self.kind.to_lowercase();
        if kind.contains("bool") {
            "true".to_owned()
        } else if kind.contains("timestamp") {
            "'2026-03-02 09:30:00+00:00'".to_owned()
        } else {
            format!("'{row}'")
        }
    }
}

/// A database in which nothing is yet.
async fn vacant() -> (TempDir, DatabaseConnection) {
    let folder = tempfile::tempdir().unwrap();
    let url = postgres_database().await.unwrap_or("sqlite:".to_owned());
    let db = Db::open(&url, folder.path(), DATABASE_TIMEOUT)
        .await
        .unwrap();
    (folder, db.writer().unbounded().clone())
}

const SQLITE_COLUMNS: &str = "
SELECT t.name AS place, c.name AS name, c.type AS kind,
    CASE WHEN c.\"notnull\" = 0 AND c.pk = 0 THEN 'yes' ELSE '' END AS is_nullable,
    CASE WHEN c.dflt_value IS NOT NULL OR (c.pk = 1 AND lower(c.type) = 'integer'
        AND (SELECT count(*) FROM pragma_table_xinfo(t.name) AS k WHERE k.pk > 0) = 1) THEN 'yes' ELSE '' END AS has_default,
    CASE WHEN c.hidden <> 0 THEN 'yes' ELSE '' END AS is_computed
FROM pragma_table_list AS t JOIN pragma_table_xinfo(t.name) AS c
WHERE t.schema = 'main' AND t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'seaql_migrations'";

const SQLITE_UNIQUE: &str = "
SELECT t.name AS place, i.name AS id, coalesce(x.name, '(of some)') AS name
FROM pragma_table_list AS t JOIN pragma_index_list(t.name) AS i JOIN pragma_index_info(i.name) AS x
WHERE t.schema = 'main' AND t.type = 'table' AND i.\"unique\" = 1
UNION ALL
SELECT t.name, i.name, '(of some)' FROM pragma_table_list AS t JOIN pragma_index_list(t.name) AS i
WHERE t.schema = 'main' AND t.type = 'table' AND i.\"unique\" = 1 AND i.partial = 1
UNION ALL
SELECT t.name, 'key', c.name FROM pragma_table_list AS t JOIN pragma_table_xinfo(t.name) AS c
WHERE t.schema = 'main' AND t.type = 'table' AND c.pk > 0";

const SQLITE_REFERENCES: &str = "
SELECT t.name AS place, CAST(f.id AS text) AS id, f.\"from\" AS name, f.\"table\" AS target
FROM pragma_table_list AS t JOIN pragma_foreign_key_list(t.name) AS f
WHERE t.schema = 'main' AND t.type = 'table'";

const POSTGRES_COLUMNS: &str = "
SELECT table_name::text AS place, column_name::text AS name,
    data_type || coalesce('(' || character_maximum_length || ')', '') AS kind,
    CASE WHEN is_nullable = 'YES' THEN 'yes' ELSE '' END AS is_nullable,
    CASE WHEN column_default IS NOT NULL OR is_identity = 'YES' THEN 'yes' ELSE '' END AS has_default,
    CASE WHEN is_generated = 'ALWAYS' THEN 'yes' ELSE '' END AS is_computed
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'seaql_migrations'";

const POSTGRES_UNIQUE: &str = "
SELECT t.relname::text AS place, i.indexrelid::text AS id, coalesce(a.attname, '(of some)')::text AS name
FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid
CROSS JOIN LATERAL unnest(i.indkey::int2[] || CASE WHEN i.indpred IS NULL THEN '{}'::int2[] ELSE '{0}'::int2[] END) AS k(number)
LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.number AND k.number > 0
WHERE i.indisunique AND t.relnamespace = 'public'::regnamespace";

const POSTGRES_REFERENCES: &str = "
SELECT t.relname::text AS place, f.oid::text AS id, a.attname::text AS name, o.relname::text AS target
FROM pg_constraint AS f JOIN pg_class AS t ON t.oid = f.conrelid JOIN pg_class AS o ON o.oid = f.confrelid
CROSS JOIN LATERAL unnest(f.conkey) AS k(number)
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.number
WHERE f.contype = 'f' AND t.relnamespace = 'public'::regnamespace";

async fn rows(db: &impl ConnectionTrait, sqlite: &str, postgres: &str) -> Vec<QueryResult> {
    let backend = db.get_database_backend();
    let sql = if backend == DbBackend::Postgres {
        postgres
    } else {
        sqlite
    };
    let statement = Statement::from_string(backend, sql);
    db.query_all_raw(statement).await.unwrap()
}

/// What the database says of its tables.
async fn read(db: &impl ConnectionTrait) -> Schema {
    let mut schema = Schema::new();
    let text = |row: &QueryResult, name: &str| row.try_get::<String>("", name).unwrap();
    for row in rows(db, SQLITE_COLUMNS, POSTGRES_COLUMNS).await {
        let is = |name: &str| text(&row, name) == "yes";
        let column = Column {
            kind: text(&row, "kind"),
            is_nullable: is("is_nullable"),
            has_default: is("has_default"),
            is_computed: is("is_computed"),
        };
        let table = schema.entry(text(&row, "place")).or_default();
        table.columns.insert(text(&row, "name"), column);
    }
    let mut keys = BTreeMap::<_, BTreeSet<String>>::new();
    for row in rows(db, SQLITE_UNIQUE, POSTGRES_UNIQUE).await {
        let key = keys.entry((text(&row, "place"), text(&row, "id")));
        key.or_default().insert(text(&row, "name"));
    }
    for ((place, _), names) in keys {
        if let Some(table) = schema.get_mut(&place) {
            table.unique.insert(names.into_iter().collect());
        }
    }
    let mut references = BTreeMap::<_, BTreeSet<String>>::new();
    for row in rows(db, SQLITE_REFERENCES, POSTGRES_REFERENCES).await {
        let id = (text(&row, "place"), text(&row, "id"), text(&row, "target"));
        let names = references.entry(id).or_default();
        names.insert(text(&row, "name"));
    }
    for ((place, _, target), names) in references {
        let table = schema.get_mut(&place).unwrap();
        table
            .references
            .insert((names.into_iter().collect(), target));
    }
    schema
}

/// The tables, such at which others point first.
fn in_order(schema: &Schema) -> Vec<(&String, &Table)> {
    let mut order: Vec<(&String, &Table)> = Vec::new();
    while order.len() < schema.len() {
        let before = order.len();
        for (name, table) in schema {
            let stands = |one: &String| order.iter().any(|(other, _)| *other == one);
            let mut targets = table.references.iter().map(|(_, target)| target);
            if !stands(name) && targets.all(|target| target == name || stands(target)) {
                order.push((name, table));
            }
        }
        assert!(order.len() > before, "tables point at each other in a ring");
    }
    order
}

/// What was said of which table, and whether it was answered.
type Answers = BTreeMap<(String, &'static str), Result<(), String>>;

/// Says all that a process says which knows these tables, of a row of its own in each, and takes it back.
async fn answers(
    db: &impl TransactionTrait<Transaction = DatabaseTransaction>,
    known: &Schema,
) -> Answers {
    let run = db.begin().await.unwrap();
    let mut answers = Answers::new();
    let order = in_order(known);
    for (name, table) in &order {
        for (what, sql) in table.sentences(name) {
            answers.insert(((*name).clone(), what), said(&run, &sql).await);
        }
    }
    for (name, table) in order.iter().rev() {
        let own = table.values(table.key().iter(), " AND ");
        let sql = format!("DELETE FROM \"{name}\" WHERE {own}");
        answers.insert(((*name).clone(), "delete"), said(&run, &sql).await);
    }
    run.rollback().await.unwrap();
    answers
}

/// Says it within a savepoint: what is refused spoils nothing.
async fn said(run: &DatabaseTransaction, sql: &str) -> Result<(), String> {
    let step = run.begin().await.unwrap();
    match step.execute_unprepared(sql).await {
        Ok(_) => step.commit().await.map_err(|error| error.to_string()),
        Err(error) => {
            step.rollback().await.unwrap();
            Err(format!("{error}: {sql}"))
        }
    }
}

/// Puts the row that stays into each table that was not there before.
async fn fill(db: &impl ConnectionTrait, before: &Schema, now: &Schema) {
    for (name, table) in in_order(now) {
        if !before.contains_key(name) {
            let sql = table.insert(name, KEPT);
            let done = db.execute_unprepared(&sql).await;
            done.unwrap_or_else(|error| panic!("{error}: {sql}"));
        }
    }
}

/// What a process that knows the tables of before cannot rely on any more.
fn lost(before: &Schema, after: &Schema) -> Vec<String> {
    let mut lost = Vec::new();
    for (name, old) in before {
        let Some(new) = after.get(name) else {
            lost.push(format!("{name} is gone"));
            continue;
        };
        for (column, was) in &old.columns {
            let words = match new.columns.get(column) {
                None => "is gone",
                Some(is) if is.kind != was.kind => "holds something else",
                Some(is) if was.is_nullable && !is.is_nullable => "may not be left empty any more",
                Some(is) if was.has_default && !is.has_default => "has lost its default",
                Some(_) => continue,
            };
            lost.push(format!("{name}.{column} {words}"));
        }
        let is_added = |column: &String| !old.columns.contains_key(column);
        let may_stay_out = |one: &Column| one.is_nullable || one.has_default || one.is_computed;
        for (column, is) in &new.columns {
            if is_added(column) && !may_stay_out(is) {
                lost.push(format!("{name}.{column} is new and has to be given"));
            }
        }
        for key in old.unique.difference(&new.unique) {
            lost.push(format!(
                "{name}: ON CONFLICT ({}) finds no key",
                key.join(", ")
            ));
        }
        for key in new.unique.difference(&old.unique) {
            // An empty value is like no other.
            let is_empty = |column: &String| {
                let new = new.columns.get(column).filter(|_| is_added(column));
                new.is_some_and(|one| one.is_nullable && !one.has_default)
            };
            if !key.iter().any(is_empty) {
                lost.push(format!(
                    "{name}: ({}) may be there once only",
                    key.join(", ")
                ));
            }
        }
        for (columns, target) in new.references.difference(&old.references) {
            if !columns.iter().any(is_added) {
                lost.push(format!(
                    "{name}: ({}) has to be in {target}",
                    columns.join(", ")
                ));
            }
        }
    }
    lost
}

/// What was possible with the tables of before, and is not with those of now.
async fn lost_by_now<D>(db: &D, before: &Schema, could: &Answers) -> Vec<String>
where
    D: ConnectionTrait + TransactionTrait<Transaction = DatabaseTransaction>,
{
    let mut lost = lost(before, &read(db).await);
    let can = answers(db, before).await;
    for ((name, what), answer) in &can {
        let could = &could[&(name.clone(), *what)];
        if let (Ok(()), Err(error)) = (could, answer) {
            lost.push(format!("{name}, {what}: {error}"));
        }
    }
    lost
}

/// Columns that a step takes away on purpose: the step, `table.column`, and the release since which no program uses it.
const UNUSED: &[(&str, &str, &str)] = &[];

/// Forgets what a step may take away.
fn forget_unused(known: &mut Schema, step: &str) {
    for (_, column, _) in UNUSED.iter().filter(|(by, ..)| *by == step) {
        let (table, column) = column.split_once('.').unwrap();
        let table = known.get_mut(table).unwrap();
        table.columns.remove(column).unwrap();
        table.unique.retain(|key| !key.contains(&column.to_owned()));
    }
}

#[tokio::test]
async fn each_step_of_the_schema_leaves_the_release_before_all_that_it_could_do() {
    let (_folder, db) = vacant().await;
    let (mut known, mut could) = (Schema::new(), Answers::new());
    for step in Migrator::migrations() {
        let name = step.name().to_owned();
        let taken = Migrator::up(&db, Some(1)).await;
        taken.unwrap_or_else(|error| panic!("{name}, over tables with rows: {error}"));
        forget_unused(&mut known, &name);
        let lost = lost_by_now(&db, &known, &could).await;
        assert!(
            lost.is_empty(),
            "{name}: nodes of the release before go on with these tables, and {lost:#?}"
        );
        let now = read(&db).await;
        fill(&db, &known, &now).await;
        could = answers(&db, &now).await;
        known = now;
    }
    // All but the log of changes, which is never edited, takes all of it.
    let refused: BTreeSet<&str> = could
        .iter()
        .filter(|((_, what), answer)| *what != "insert or update" && answer.is_err())
        .map(|((name, _), _)| name.as_str())
        .collect();
    assert_eq!(refused, BTreeSet::from(["audit_entries"]), "{could:#?}");
}

/// What a step must not do, and how it is told.
const BREAKING: [(&str, &str); 6] = [
    (
        "ALTER TABLE modules DROP COLUMN description",
        "modules.description is gone",
    ),
    (
        "ALTER TABLE modules RENAME COLUMN title TO name",
        "modules.title is gone",
    ),
    ("DROP TABLE done_marks", "done_marks is gone"),
    (
        "CREATE UNIQUE INDEX one_each ON modules (course_id)",
        "modules: (course_id) may be there once only",
    ),
    ("DROP INDEX enrollment_requests_once", "finds no key"),
    (
        "ALTER TABLE modules ADD COLUMN teacher_id bigint NOT NULL DEFAULT 0; \
         CREATE UNIQUE INDEX one_of_each ON modules (teacher_id)",
        "modules: (teacher_id) may be there once only",
    ),
];

const BREAKING_SQLITE: [(&str, &str); 1] = [(
    "CREATE TRIGGER no_more BEFORE INSERT ON modules BEGIN SELECT RAISE(ABORT, 'no more'); END",
    "modules, insert: ",
)];

const BREAKING_POSTGRES: [(&str, &str); 6] = [
    (
        "CREATE FUNCTION no_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no more'; END $$; \
         CREATE TRIGGER no_more BEFORE INSERT ON modules FOR EACH ROW EXECUTE FUNCTION no_more()",
        "modules, insert: ",
    ),
    (
        "ALTER TABLE modules ADD COLUMN level integer NOT NULL DEFAULT 1; ALTER TABLE modules ALTER COLUMN level DROP DEFAULT",
        "modules.level is new and has to be given",
    ),
    (
        "ALTER TABLE items ALTER COLUMN allow_download DROP DEFAULT",
        "items.allow_download has lost its default",
    ),
    (
        "UPDATE courses SET places = 1; ALTER TABLE courses ALTER COLUMN places SET NOT NULL",
        "courses.places may not be left empty",
    ),
    (
        "ALTER TABLE modules ALTER COLUMN title TYPE varchar(100)",
        "modules.title holds something else",
    ),
    (
        "ALTER TABLE audit_entries ADD FOREIGN KEY (actor_id) REFERENCES users (id)",
        "audit_entries: (actor_id) has to be in users",
    ),
];

/// What a step may do.
const HARMLESS: [&str; 4] = [
    "ALTER TABLE modules ADD COLUMN level integer NOT NULL DEFAULT 1",
    "ALTER TABLE modules ADD COLUMN level integer NULL; CREATE UNIQUE INDEX levels ON modules (level)",
    "CREATE INDEX by_title ON modules (title)",
    "CREATE TABLE levels (id bigint NOT NULL PRIMARY KEY, module_id bigint NOT NULL REFERENCES modules (id) ON DELETE CASCADE)",
];

#[tokio::test]
async fn a_step_that_takes_something_from_the_release_before_is_found_and_one_that_adds_is_not() {
    let (_folder, db) = vacant().await;
    Migrator::up(&db, None).await.unwrap();
    let known = read(&db).await;
    fill(&db, &Schema::new(), &known).await;
    let could = answers(&db, &known).await;
    let of_engine: &[(&str, &str)] = match db.get_database_backend() {
        DbBackend::Postgres => &BREAKING_POSTGRES,
        _ => &BREAKING_SQLITE,
    };
    let harmless = HARMLESS.iter().map(|sql| (*sql, None));
    let breaking = BREAKING.iter().chain(of_engine);
    let breaking = breaking.map(|(sql, words)| (*sql, Some(*words)));
    for (sql, words) in harmless.chain(breaking) {
        let step = db.begin().await.unwrap();
        step.execute_unprepared(sql).await.unwrap();
        let lost = lost_by_now(&step, &known, &could).await;
        step.rollback().await.unwrap();
        match words {
            None => assert!(lost.is_empty(), "{sql}: {lost:#?}"),
            Some(words) => assert!(
                lost.iter().any(|one| one.contains(words)),
                "{sql}: {lost:#?}"
            ),
        }
    }
}

/// Adds to every table what a next release may add, and a table of its own, while processes use them.
pub async fn add_what_the_next_release_may(site: &TestApp) {
    let db = site.app.db.writer();
    for name in read(db).await.keys() {
        for column in [
            "next_words text NULL",
            "next_number bigint NOT NULL DEFAULT 7",
        ] {
            let sql = format!("ALTER TABLE \"{name}\" ADD COLUMN {column}");
            db.execute_unprepared(&sql).await.unwrap();
        }
    }
    let own = "CREATE TABLE next_rows (user_id bigint NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE)";
    db.execute_unprepared(own).await.unwrap();
}
