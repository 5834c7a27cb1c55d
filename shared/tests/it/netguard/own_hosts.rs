//! A deployment's own hosts: no webhook may lead back to them (forms 52 and 53 of the table in `urls`).

use zoetrope_shared::config::{Settings, Sources};
use zoetrope_shared::netguard::{NetGuard, NetGuardConfig, Purpose, UrlForbidden};

#[test]
fn the_deployments_own_names_are_refused_for_webhooks_only() {
    let config = NetGuardConfig {
        own_hosts: vec![
            "api.example.com".into(),
            "93.184.215.14".into(),
            "[2606:2800:21f::1]".into(),
        ],
        ..NetGuardConfig::default()
    };
    let guard = NetGuard::new(config);
    for url in [
        "https://api.example.com/hook",
        "https://API.example.com/api/v1/tasks/echo",
        "http://93.184.215.14:8000/hook",
        "http://[::ffff:93.184.215.14]/hook",
        "http://[2606:2800:21f:0::1]/hook",
    ] {
        assert_eq!(
            guard.check_url(url, Purpose::Webhook).err(),
            Some(UrlForbidden::OwnHost),
            "{url}"
        );
        assert!(guard.check_url(url, Purpose::Media).is_ok(), "{url}");
    }
    assert!(guard.check_url("https://hooks.example.com/", Purpose::Webhook).is_ok());
}

#[test]
fn the_settings_name_the_deployments_own_hosts() {
    let environment = [
        ("PUBLIC_URL", "https://Zoetrope.example.com:8443/base"),
        (
            "ALLOWED_ORIGINS",
            "*, https://dash.example.com, http://[2606:2800:21f::1]:8080, http://127.0.0.1:5173",
        ),
        ("NETGUARD_ALLOW_CIDRS", "127.0.0.0/8"),
    ];
    let environment = environment
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let sources = Sources {
        environment,
        ..Sources::default()
    };
    let settings = Settings::from_sources(&sources).expect("valid settings");
    let guard = NetGuard::new(NetGuardConfig::of(&settings));
    for own in [
        "https://zoetrope.example.com/api/v1/tasks",
        "https://dash.example.com/",
        "http://[2606:2800:21f::1]/",
    ] {
        let verdict = guard.check_url(own, Purpose::Webhook).err();
        assert_eq!(verdict, Some(UrlForbidden::OwnHost), "{own}");
        assert!(guard.check_url(own, Purpose::Media).is_ok(), "{own}");
    }
    for other in ["https://hooks.example.com/", "http://127.0.0.1:9000/"] {
        assert!(guard.check_url(other, Purpose::Webhook).is_ok(), "{other}");
    }
}
