//! A folder that an older version wrote.

use sqlx::{
    SqlSafeStr, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::SqliteConnectOptions,
};

use crate::harness::{PASSWORD, start};

#[tokio::test]
async fn what_the_first_version_wrote_is_still_there_and_grants_have_ids() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(dir.path().join("towline.db")).create_if_missing(true);
    let database = SqlitePool::connect_with(options).await.unwrap();
    let first = include_str!("../../migrations/0001_first.sql").into_sql_str();
    let migration = Migration::new(1, "first".into(), MigrationType::Simple, first, false);
    Migrator::with_migrations(vec![migration]).run(&database).await.unwrap();
    for insert in [
        "INSERT INTO tenant VALUES ('1', 'default', 0)",
        "INSERT INTO user_account (id, tenant_id, name, password_hash, created_at) VALUES ('5', '1', 'admin', 'x', 0)",
        "INSERT INTO user_group VALUES ('6', '1', 'administrators', 0)",
        "INSERT INTO user_group_member VALUES ('1', '6', '5')",
        "INSERT INTO device_group VALUES ('7', '1', 'all', 0)",
        "INSERT INTO permission_grant VALUES ('1', '6', '7', 'user-admin'), ('1', '6', '7', 'device-control-read')",
        "INSERT INTO device (id, tenant_id, name, created_at) VALUES ('8', '1', 'pump', 0)",
        "INSERT INTO device_group_member VALUES ('1', '7', '8')",
        "INSERT INTO access_token VALUES ('h', '1', '5', 0, 99999999999999)",
    ] {
        sqlx::query(insert).execute(&database).await.unwrap();
    }
    database.close().await;

    let cloud = start(dir.path()).await;
    assert_eq!(cloud.first_start_password(), None, "{PASSWORD} was taken for a first start");
    let token = cloud.local_login().await.unwrap().token;
    let get = async |path: &str| {
        crate::harness::call(cloud.local_addr(), "GET", path, Some(&token), None).await.good().body["items"].clone()
    };
    assert_eq!(get("/devices").await[0]["name"], "pump");
    assert_eq!(get("/devices").await[0]["disabled"], false);
    let grants = get("/grants").await;
    let ids: Vec<_> = grants.as_array().unwrap().iter().map(|grant| grant["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(get("/tokens").await.as_array().unwrap().len(), 1);
}
