//! Accounts. Who is staff, in which groups somebody is, and everything about accounts that have a part in running the site
//! is for staff alone: otherwise whoever may change accounts could take any right for herself.

use super::people_acts::actions;
use crate::accounts::{self, NewUser, Profile};
use crate::admin::table::{
    Cell, Choices, Column, Control, Doing, Editing, Entry, Filter, Filtered, List, Look, Row,
    Table, containing,
};
use crate::app::App;
use crate::db::Write;
use crate::entities::{group, group_permission, user, user_group};
use crate::error::{Error, Problems, Result};
use crate::web::audit::Facts;
use crate::web::form::Form;
use crate::web::identity::Person;
use crate::web::permissions::admin;
use futures::future::BoxFuture;
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect,
    RelationTrait,
};
use std::sync::LazyLock;

const NOT_ONESELF: &str = "Nobody takes this right from herself, so that somebody is always left to give it. Ask another member of the staff.";
const OWN_ADDRESS: &str =
    "Your own mail address is changed on your profile, which asks for your password.";

/// `/admin/users/`
pub static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
    kind: "user",
    one: "user",
    many: "users",
    title: "Users",
    path: "/admin/users/",
    lead: "Everybody with an account: what they may do, and whether they can log in.",
    searched: "Name, user name or mail",
    view: admin::VIEW_USER,
    columns: vec![
        Column::new("Name").sorts("name"),
        Column::new("Mail").sorts("email"),
        Column::new("Part"),
        Column::new("Account"),
        Column::new("Since").sorts("since"),
        Column::new("Last login").sorts("login"),
    ],
    filters: vec![
        Filter {
            name: "staff",
            label: "Staff",
            by: Filtered::By(&[("yes", "Staff"), ("no", "Not staff")]),
        },
        Filter {
            name: "active",
            label: "Account",
            by: Filtered::By(&[("yes", "Open"), ("no", "Shut")]),
        },
        Filter {
            name: "group",
            label: "Group",
            by: Filtered::Of(|app| Box::pin(group_choices(app))),
        },
    ],
    usual: "name",
    list: Box::new(list()),
    csv: &[
        "id", "username", "name", "email", "staff", "active", "groups", "since",
    ],
    editing: Some(Editing {
        entries: |look, id| Box::pin(entries(look, id)),
        values: |look, id| Box::pin(values(look, id)),
        prepare: Some(|look, id, form| Box::pin(prepare(look, id, form))),
        hold: Some(|write, person, id| Box::pin(hold(write, person, id))),
        save: |doing, id| Box::pin(save(doing, id)),
        add: Some(admin::ADD_USER),
        change: admin::CHANGE_USER,
        closed: Some(|look, id| Box::pin(closed(look, id))),
    }),
    actions: actions(),
    facts: |write, id| facts(write, id),
    ways: &[
        (
            "Their courses",
            "book-open",
            "/admin/enrollments/?user={id}",
            admin::VIEW_ENROLLMENT,
        ),
        (
            "Their tokens",
            "key-round",
            "/admin/tokens/?user={id}",
            admin::VIEW_TOKEN,
        ),
    ],
    heads: &[],
    none: "Nobody has an account yet.",
});

fn list() -> List<user::Entity> {
    List {
        select: user::Entity::find,
        id: user::Column::Id,
        search: |word| {
            Condition::any()
                .add(containing(user::Column::Username, word))
                .add(containing(user::Column::Name, word))
                .add(containing(user::Column::Email, word))
        },
        filter: |name, value| match name {
            "staff" => super::who::yes_or_no(user::Column::IsStaff, value),
            "active" => super::who::yes_or_no(user::Column::IsActive, value),
            "group" => in_group(value),
            _ => None,
        },
        sort: |name| match name {
            "name" => Some(user::Column::Username.into_expr()),
            "email" => Some(user::Column::Email.into_expr()),
            "since" => Some(user::Column::CreatedAt.into_expr()),
            "login" => Some(user::Column::LastLoginAt.into_expr()),
            _ => None,
        },
        dress: |look, rows| Box::pin(dress(look, rows)),
    }
}

fn in_group(value: &str) -> Option<Condition> {
    let id: i64 = value.parse().ok()?;
    let members = Query::select()
        .column(user_group::Column::UserId)
        .from(user_group::Entity)
        .and_where(user_group::Column::GroupId.eq(id))
        .to_owned();
    Some(Condition::all().add(user::Column::Id.in_subquery(members)))
}

async fn group_choices(app: &App) -> Result<Choices> {
    let groups = group::Entity::find().order_by_asc(group::Column::Name);
    let groups = groups.all(app.db.read()).await?.into_iter();
    Ok(groups.map(|row| (row.id.to_string(), row.name)).collect())
}

async fn dress(look: &Look, rows: Vec<user::Model>) -> Result<Vec<Row>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut groups = accounts::groups_of(look.app.db.read(), &ids).await?;
    let rows = rows.into_iter().map(|row| {
        let groups = groups.remove(&row.id).unwrap_or_default();
        let mut parts = groups.clone();
        if row.is_staff {
            parts.insert(0, "Staff".into());
        }
        let state = if row.is_active {
            Cell::State("ok", "check", "Open".into())
        } else {
            Cell::State("warn", "lock", "Shut".into())
        };
        let csv = vec![
            row.id.to_string(),
            row.username.clone(),
            row.name.clone(),
            row.email.clone(),
            row.is_staff.to_string(),
            row.is_active.to_string(),
            groups.join("; "),
            row.created_at.to_rfc3339(),
        ];
        let name = if row.name.is_empty() {
            Cell::Text(row.username.clone())
        } else {
            Cell::Two(row.name.clone(), row.username.clone())
        };
        Row {
            id: row.id,
            name: row.username,
            path: String::new(),
            cells: vec![
                name,
                Cell::text(row.email),
                if parts.is_empty() {
                    Cell::Empty
                } else {
                    Cell::Names(parts)
                },
                state,
                Cell::time(Some(row.created_at), look),
                Cell::time(row.last_login_at, look),
            ],
            csv,
        }
    });
    Ok(rows.collect())
}

async fn entries(look: &Look, id: Option<i64>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    if let Some(id) = id {
        let account = user::Entity::find_by_id(id).one(look.app.db.read()).await?;
        let account = account.ok_or(Error::NotFound)?;
        entries.push(Entry::new(
            "shown-username",
            "User name",
            Control::Fixed(account.username),
        ));
    } else {
        entries.push(
            Entry::new("username", "User name", Control::Line(150))
                .hint("What they log in with. It stays as it is."),
        );
    }
    entries.push(
        Entry::new("name", "Name", Control::Line(150))
            .optional()
            .hint("As others see it."),
    );
    entries.push(Entry::new("email", "Mail", Control::Mail).optional());
    if id.is_none() {
        entries.push(Entry::new("password", "Password", Control::Password).hint(
            "At least 8 characters. Tell it to them by a way that you trust; they can change it.",
        ));
    }
    if look.person.is_staff {
        entries.push(
            Entry::new("staff", "Staff", Control::Check)
                .hint("Runs the site: may do everything, here and everywhere."),
        );
        entries.push(
            Entry::new(
                "groups",
                "Groups",
                Control::Any(group_choices(&look.app).await?),
            )
            .hint("A group gives its members what it may do."),
        );
    }
    if let Some(id) = id {
        let may = permissions_of(look, id).await?;
        entries.push(Entry::new(
            "may",
            "May by these groups",
            Control::Fixed(may),
        ));
    }
    Ok(entries)
}

/// Accounts of people who run the site are changed by staff alone.
async fn closed(look: &Look, id: i64) -> Result<Option<&'static str>> {
    let may = accounts::may_touch(look.app.db.read(), &look.person, id).await?;
    Ok((!may).then_some(accounts::NOT_TOUCHABLE))
}

/// What somebody may do by her groups, in words.
async fn permissions_of(look: &Look, id: i64) -> Result<String> {
    let names: Vec<String> = group_permission::Entity::find()
        .select_only()
        .column(group_permission::Column::Permission)
        .distinct()
        .join(JoinType::InnerJoin, group_permission::Relation::Group.def())
        .join_rev(JoinType::InnerJoin, user_group::Relation::Group.def())
        .filter(user_group::Column::UserId.eq(id))
        .order_by_asc(group_permission::Column::Permission)
        .into_tuple()
        .all(look.app.db.read())
        .await?;
    if names.is_empty() {
        return Ok("Nothing beyond what every student may.".into());
    }
    let words: Vec<String> = names
        .iter()
        .map(|name| super::groups::words_of(name))
        .collect();
    Ok(words.join(" · "))
}

async fn values(look: &Look, id: i64) -> Result<Form> {
    let db = look.app.db.read();
    let found = user::Entity::find_by_id(id).one(db).await?;
    let account = found.ok_or(Error::NotFound)?;
    let groups: Vec<i64> = user_group::Entity::find()
        .select_only()
        .column(user_group::Column::GroupId)
        .filter(user_group::Column::UserId.eq(id))
        .into_tuple()
        .all(db)
        .await?;
    let mut pairs = vec![
        ("name".to_owned(), account.name),
        ("email".to_owned(), account.email),
    ];
    if account.is_staff {
        pairs.push(("staff".into(), "on".into()));
    }
    pairs.extend(groups.iter().map(|id| ("groups".into(), id.to_string())));
    Ok(Form::from_pairs(pairs))
}

/// Looks at a new account as a whole, and hashes its password.
async fn prepare(look: &Look, id: Option<i64>, form: &Form) -> Result<String> {
    if id.is_some() {
        return Ok(String::new());
    }
    let password = form.get("password");
    let new = new_user(form);
    let mut problems = new.problems(&look.app, password, "password").await?;
    problems.extend(profile(form, &Profile::new_account()).problems());
    problems.extend(rights_problems(look, form).await?);
    dedupe(&problems).into_result()?;
    look.app.passwords.hash(password).await
}

/// The mail address is looked at twice, which is told once.
fn dedupe(problems: &Problems) -> Problems {
    let mut once = Problems::new();
    for (field, messages) in problems.iter() {
        let mut told: Vec<&String> = Vec::new();
        for words in messages {
            if !told.contains(&words) {
                told.push(words);
                once.add(field, words.clone());
            }
        }
    }
    once
}

fn new_user(form: &Form) -> NewUser {
    NewUser {
        username: form.text("username").to_owned(),
        email: form.text("email").to_owned(),
        ..NewUser::default()
    }
}

fn profile(form: &Form, before: &Profile) -> Profile {
    Profile {
        name: form.text("name").to_owned(),
        email: form.text("email").to_owned(),
        ..before.clone()
    }
}

async fn rights_problems(look: &Look, form: &Form) -> Result<Problems> {
    let known = accounts::list_groups(look.app.db.read()).await?;
    Ok(group_ids(form, known.into_values())
        .err()
        .unwrap_or_default())
}

/// The groups that were chosen.
fn group_ids(form: &Form, known: impl Iterator<Item = i64>) -> Result<Vec<i64>, Problems> {
    let known: Vec<i64> = known.collect();
    let chosen: Option<Vec<i64>> = form
        .all("groups")
        .map(|id| id.parse().ok().filter(|id| known.contains(id)))
        .collect();
    let told = || Problems::of("groups", "Choose groups from the list.");
    let mut chosen = chosen.ok_or_else(told)?;
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

async fn hold(write: &Write, person: &Person, id: i64) -> Result<()> {
    accounts::hold_touchable(write, person, id).await?;
    Ok(())
}

async fn save(doing: Doing<'_>, id: Option<i64>) -> Result<i64> {
    match id {
        Some(id) => change(doing, id).await,
        None => add(doing).await,
    }
}

async fn add(doing: Doing<'_>) -> Result<i64> {
    accounts::hold_caller(doing.write, doing.person).await?;
    let hash = doing.prepared.to_owned();
    let account = accounts::create_user(doing.app, doing.write, new_user(doing.form), hash).await?;
    let blank = Profile::of(&account);
    let wanted = profile(doing.form, &blank);
    if wanted != blank {
        accounts::update_profile(doing.app, doing.write, account.id, wanted).await?;
    }
    if doing.person.is_staff {
        give(doing, &account).await?;
    }
    Ok(account.id)
}

async fn change(doing: Doing<'_>, id: i64) -> Result<i64> {
    let account = accounts::hold_touchable(doing.write, doing.person, id).await?;
    let before = Profile::of(&account);
    let wanted = profile(doing.form, &before);
    let mut problems = wanted.problems_since(&before);
    let takes_own = doing.person.id == id && account.is_staff && !doing.form.is_set("staff");
    problems.check(!doing.person.is_staff || !takes_own, "staff", NOT_ONESELF);
    let is_own = doing.person.id == id && wanted.email != before.email;
    problems.check(!is_own, "email", OWN_ADDRESS);
    problems.into_result()?;
    if wanted != before {
        accounts::set_profile(doing.app, doing.write, &account, wanted).await?;
    }
    if doing.person.is_staff {
        give(doing, &account).await?;
    }
    Ok(id)
}

/// Gives and takes rights, as staff typed them.
async fn give(doing: Doing<'_>, account: &user::Model) -> Result<()> {
    let known = accounts::list_groups(&**doing.write).await?;
    let groups = group_ids(doing.form, known.into_values()).map_err(Error::Invalid)?;
    let is_staff = doing.form.is_set("staff");
    if is_staff != account.is_staff {
        accounts::set_rights(doing.write, account.id, is_staff, account.is_active).await?;
    }
    let mut held: Vec<i64> = user_group::Entity::find()
        .select_only()
        .column(user_group::Column::GroupId)
        .filter(user_group::Column::UserId.eq(account.id))
        .into_tuple()
        .all(&**doing.write)
        .await?;
    held.sort_unstable();
    if held != groups {
        accounts::set_groups(doing.write, account.id, &groups).await?;
    }
    Ok(())
}

fn facts(write: &Write, id: i64) -> BoxFuture<'_, Result<Option<Facts>>> {
    Box::pin(async move { accounts::user_facts(&**write, id).await })
}
