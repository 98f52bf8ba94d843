//! What somebody does to the contents of a course that is another's, as the log of changes tells it, a line each. What a
//! teacher does to her own is no matter of the log.
//!
//! Twenty verbs write contents. None of them knows what a line looks like: what they may touch is read before and after.

use crate::db::Write;
use crate::entities::item::{self, ItemKind, TextFormat};
use crate::entities::{content, course, module};
use crate::error::Result;
use crate::media::{self, FileView};
use crate::web::audit::{By, Done, Facts, record_all, yes_no};
use sea_orm::sea_query::IntoCondition;
use sea_orm::{
    ActiveEnum as _, ColumnTrait as _, EntityTrait as _, JoinType, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, RelationTrait as _,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Contents of courses that are not hers, as they are before somebody does something to them.
pub struct Contents {
    before: BTreeMap<i64, Option<Facts>>,
    parts: Parts,
}

/// What of a content is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    All,
    /// Its place alone, where many are moved: what becomes of their files meanwhile is nobody's doing.
    Place,
}

impl Contents {
    /// Reads those of which the condition, on [`content`] and [`item`], holds. Their courses are held by now, and the files
    /// that they show, where what they show may change.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn before(write: &Write, by: &By, of: impl IntoCondition) -> Result<Self> {
        let found = read(write, by, of, Parts::All).await?.into_iter();
        Ok(Self {
            before: found.map(|(id, facts)| (id, Some(facts))).collect(),
            parts: Parts::All,
        })
    }

    /// Reads the places of the contents of these modules.
    ///
    /// # Errors
    /// As [`Contents::before`].
    pub async fn places(write: &Write, by: &By, modules: &[i64]) -> Result<Self> {
        let of = content::Column::ModuleId.is_in(modules.iter().copied());
        let found = read(write, by, of, Parts::Place).await?.into_iter();
        Ok(Self {
            before: found.map(|(id, facts)| (id, Some(facts))).collect(),
            parts: Parts::Place,
        })
    }

    /// A content that was made just now: before, there was none.
    pub fn new(id: i64) -> Self {
        Self {
            before: BTreeMap::from([(id, None)]),
            parts: Parts::All,
        }
    }

    /// Logs what is otherwise now, in the transaction that made it so: `act` calls what was done to contents that are
    /// there before and after. Another act than `change` is told also where no field is otherwise.
    ///
    /// # Errors
    /// As [`record_all`]: then nothing is committed either.
    pub async fn log(self, write: &Write, by: &By, act: &str) -> Result<()> {
        if self.before.is_empty() {
            return Ok(());
        }
        let of = content::Column::Id.is_in(self.before.keys().copied());
        let after = read(write, by, of, self.parts).await?;
        let lines = self.before.iter().filter_map(|(id, before)| {
            let (before, after) = (before.as_ref(), after.get(id));
            let act = match (before, after) {
                (None, None) => return None,
                (None, Some(_)) => "add",
                (Some(_), None) => "delete",
                (Some(_), Some(_)) => act,
            };
            let line = Done {
                act,
                kind: "content",
                id: *id,
                before,
                after,
            };
            (act != "change" || !line.changes().is_empty()).then_some(line)
        });
        record_all(write, by, &lines.collect::<Vec<_>>()).await
    }
}

async fn read(
    write: &Write,
    by: &By,
    of: impl IntoCondition,
    parts: Parts,
) -> Result<BTreeMap<i64, Facts>> {
    let db = &**write;
    let rows = content::Entity::find()
        .find_also_related(item::Entity)
        .join(JoinType::InnerJoin, content::Relation::Module.def())
        .join(JoinType::InnerJoin, module::Relation::Course.def())
        .filter(of.into_condition())
        // Nobody's at the terminal, so that all are others'.
        .filter(course::Column::OwnerId.ne(by.id.unwrap_or_default()));
    let rows = rows.all(db).await?.into_iter();
    let rows: Vec<(content::Model, item::Model)> =
        rows.filter_map(|(row, item)| Some((row, item?))).collect();
    if rows.is_empty() {
        return Ok(BTreeMap::new());
    }
    let places = Places::read(write, &rows).await?;
    let shown = rows.iter().filter(|_| parts == Parts::All);
    let shown: Vec<i64> = shown.flat_map(|(_, item)| media::files_of(item)).collect();
    let files = media::list_files(db, &shown).await?;
    let facts = rows.into_iter().map(|(row, item)| {
        let mut facts = places.facts_of(&row, &item);
        if parts == Parts::All {
            facts.fields.extend(shown_by(item, &files));
        }
        (row.id, facts)
    });
    Ok(facts.collect())
}

/// Where contents stand.
struct Places {
    /// The titles of course and module, by module.
    titles: HashMap<i64, (String, String)>,
    /// From 1, as people count.
    numbers: HashMap<i64, usize>,
}

impl Places {
    async fn read(write: &Write, rows: &[(content::Model, item::Model)]) -> Result<Self> {
        let modules: BTreeSet<i64> = rows.iter().map(|(row, _)| row.module_id).collect();
        let titles = module::Entity::find()
            .find_also_related(course::Entity)
            .filter(module::Column::Id.is_in(modules.iter().copied()));
        let titles = titles.all(&**write).await?.into_iter();
        let titles = titles.map(|(module, course)| {
            let course = course.map_or_else(String::new, |course| course.title);
            (module.id, (course, module.title))
        });
        let ordered: Vec<(i64, i64)> = content::Entity::find()
            .select_only()
            .column(content::Column::Id)
            .column(content::Column::ModuleId)
            .filter(content::Column::ModuleId.is_in(modules))
            .order_by_asc(content::Column::Order)
            .order_by_desc(content::Column::Id)
            .into_tuple()
            .all(&**write)
            .await?;
        let mut counted: HashMap<i64, usize> = HashMap::new();
        let numbers = ordered.into_iter().map(|(id, module_id)| {
            let number = counted.entry(module_id).or_default();
            *number = number.saturating_add(1);
            (id, *number)
        });
        Ok(Self {
            titles: titles.collect(),
            numbers: numbers.collect(),
        })
    }

    fn facts_of(&self, row: &content::Model, item: &item::Model) -> Facts {
        let (course, module) = self.titles.get(&row.module_id).cloned().unwrap_or_default();
        let place = self.numbers.get(&row.id);
        Facts {
            name: item.title.clone(),
            fields: vec![
                ("course", course),
                ("module", module),
                ("place", place.map_or_else(String::new, usize::to_string)),
            ],
        }
    }
}

/// What an item is made up of.
fn shown_by(item: item::Model, files: &HashMap<i64, FileView>) -> [(&'static str, String); 9] {
    let file = |id: Option<i64>| id.and_then(|id| files.get(&id));
    // With its number: another recording is often called as the one before.
    let named = |id| {
        file(id).map_or_else(String::new, |view| {
            format!("{} (upload {})", view.upload.name, view.upload.id)
        })
    };
    let captions = file(item.upload_id).map_or_else(String::new, |view| {
        let tags = view.captions().into_iter();
        let tags: Vec<String> = tags.map(|found| found.language.to_string()).collect();
        tags.join(", ")
    });
    let format = match (item.kind, item.format) {
        (ItemKind::Text, TextFormat::Markdown) => "markdown",
        (ItemKind::Text, TextFormat::Plain) => "plain",
        _ => "",
    };
    let download = match item.kind {
        ItemKind::Video => yes_no(item.allow_download),
        _ => String::new(),
    };
    [
        ("kind", item.kind.to_value()),
        ("title", item.title),
        ("text", item.body.unwrap_or_default()),
        ("format", format.to_owned()),
        ("address", item.url.unwrap_or_default()),
        ("file", named(item.upload_id)),
        ("next file", named(item.next_upload_id)),
        ("download", download),
        ("captions", captions),
    ]
}
