//! The text of URLs: which are refused without any network, for which reason, and what is shown of them.

use url::Url;
use zoetrope_shared::netguard::{MAX_URL_CHARS, NetGuard, Purpose, UrlForbidden, redact};

use super::{config, opened, strict};
use UrlForbidden::{
    Address, Backslash, HostSpelling, LocalName, Malformed, Metadata, Port, TooLong, Userinfo, Whitespace,
};

const HTTP_ONLY: UrlForbidden = UrlForbidden::Scheme {
    expected: "http or https",
};

/// The bad forms that text alone shows, by their number in the threat table of the project.
/// 31 to 37 need a resolver or a server (see `resolving` and `fetching`), 52 and 53 the names of the deployment (see
/// `own_hosts`).
const BAD: &[(u32, &str, UrlForbidden)] = &[
    (1, "http://127.0.0.1/", Address),
    (2, "http://localhost:6379/", LocalName),
    (3, "http://127.1/", Address),
    (4, "http://2130706433/", Address),
    (5, "http://0x7f000001/", Address),
    (6, "http://0177.0.0.1/", Address),
    (7, "http://0/", Address),
    (8, "http://0.0.0.0:8080/", Address),
    (9, "http://[::1]/", Address),
    (10, "http://[::]/", Address),
    (11, "http://[::ffff:127.0.0.1]/", Address),
    (12, "http://[::ffff:7f00:1]/", Address),
    (13, "http://[::127.0.0.1]/", Address),
    (14, "http://[fe80::1%25eth0]/", Malformed),
    (14, "http://[fe80::1]/", Address),
    (15, "http://[fd00:ec2::254]/", Metadata),
    (16, "http://[64:ff9b::a9fe:a9fe]/", Metadata),
    (16, "http://[64:ff9b::7f00:1]/", Address),
    (17, "http://[2002:7f00:1::]/", Address),
    (18, "http://[2001:0:53aa:64c:0:fffe:80ff:fffe]/", Address),
    (19, "http://169.254.169.254/latest/meta-data/", Metadata),
    (20, "http://metadata.google.internal/", Metadata),
    (21, "http://100.100.100.200/", Metadata),
    (22, "http://10.0.0.1/", Address),
    (23, "http://172.17.0.1:2375/", Address),
    (24, "http://192.168.1.1/", Address),
    (25, "http://100.64.0.1/", Address),
    (26, "http://198.18.0.1/", Address),
    (27, "http://224.0.0.1/", Address),
    (28, "http://255.255.255.255/", Address),
    (29, "http://localhost./", LocalName),
    (30, "http://LOCALHOST/", LocalName),
    (38, "http://evil.com\\@127.0.0.1/", Backslash),
    (38, "http://127.0.0.1\\@evil.com/", Backslash),
    (39, "http://public@127.0.0.1/", Userinfo),
    (40, "http://127.0.0.1#@public/", Address),
    (41, "http://127.0.0.1%00.public/", Malformed),
    (42, "http://127。0。0。1/", Address),
    (42, "http://①②⑦.0.0.1/", Address),
    (43, "http://public:80@10.0.0.1/", Userinfo),
    (44, "gopher://127.0.0.1:6379/_FLUSHALL", HTTP_ONLY),
    (45, "file:///etc/passwd", HTTP_ONLY),
    (46, "ftp://example.com/", HTTP_ONLY),
    (46, "dict://example.com/", HTTP_ONLY),
    (46, "ldap://example.com/", HTTP_ONLY),
    (46, "jar:http://example.com!/", HTTP_ONLY),
    (46, "data:text/html,hello", HTTP_ONLY),
    (47, "//127.0.0.1/x", Malformed),
    (48, " http://example.com", Whitespace),
    (48, "\thttp://example.com", Whitespace),
    (48, "\nhttp://example.com", Whitespace),
    (48, "http://example.com/ ", Whitespace),
    (48, "http://a\r\nHost: b/", Whitespace),
    (49, "http://example.com:22/", Port),
    (49, "http://example.com:25/", Port),
    (49, "http://example.com:6379/", Port),
    (49, "http://example.com:0/", Port),
    (49, "http://example.com:65536/", Malformed),
    (49, "http://93.184.215.14:22/", Port),
    (51, "http://ехаmple.com/", HostSpelling),
    // Relatives of the above.
    (3, "http://0x7f.1/", Address),
    (3, "http://127.0.0.1./", Address),
    (4, "http://1572395022/", HostSpelling),
    (11, "http://[0:0:0:0:0:ffff:7f00:0001]/", Address),
    (13, "http://[::ffff:0:127.0.0.1]/", Address),
    (15, "http://[fd12:3456::1]/", Address),
    (18, "http://[2600:1f18::5efe:7f00:1]/", Address),
    (20, "http://metadata.google.internal./", Metadata),
    (20, "http://METADATA.goog/", Metadata),
    (20, "http://metadata/", Metadata),
    (29, "http://example.com./", LocalName),
    (30, "http://db.localhost/", LocalName),
    (30, "http://redis/", LocalName),
    (30, "http://printer.local/", LocalName),
    (30, "http://vault.corp.internal/", LocalName),
    (30, "http://kubernetes.default.svc/", LocalName),
    (39, "http://@example.com/", Userinfo),
    (39, "https://user:secret@example.com/", Userinfo),
    (42, "http://%31%32%37.0.0.1/", Address),
    (42, "http://ex%61mple.com/", HostSpelling),
    (42, "http://ｅxample.com/", HostSpelling),
    (47, "http:example.com/x", Malformed),
    (47, "http:/example.com/x", Malformed),
    (47, "http:///example.com/x", Malformed),
    (47, "http://", Malformed),
    (47, "", Malformed),
    (48, "http://example.com/\u{85}", Whitespace),
    (48, "http://example.com/\u{2028}", Whitespace),
    (48, "http://example.com/\0", Whitespace),
];

#[test]
fn every_bad_form_is_refused_as_media_and_as_webhook_with_its_reason() {
    let guard = strict();
    for (number, url, reason) in BAD {
        for purpose in [Purpose::Media, Purpose::Webhook] {
            assert_eq!(
                guard.check_url(url, purpose).err(),
                Some(*reason),
                "form {number}: {url:?} as {purpose:?}"
            );
        }
    }
}

#[test]
fn every_bad_form_is_refused_as_a_stream_whether_it_says_http_or_rtsp() {
    let guard = strict();
    for (number, url, _) in BAD {
        let as_rtsp = url.replacen("https://", "rtsp://", 1).replacen("http://", "rtsp://", 1);
        // User names are what cameras use: the one thing that streams may have and media may not.
        let only_userinfo = ["rtsp://@example.com/", "rtsp://user:secret@example.com/"].contains(&as_rtsp.as_str());
        for url in [*url, as_rtsp.as_str()] {
            assert_eq!(
                guard.check_url(url, Purpose::Stream).is_ok(),
                only_userinfo,
                "form {number}: {url:?}"
            );
        }
    }
}

#[test]
fn a_url_of_64_kilobytes_is_refused_and_one_of_the_longest_length_is_not() {
    let of_length = |length: usize| {
        format!(
            "http://example.com/{}",
            "a".repeat(length - "http://example.com/".len())
        )
    };
    let guard = strict();
    assert_eq!(
        guard.check_url(&of_length(64 * 1024), Purpose::Media).err(),
        Some(TooLong)
    );
    let one_more = of_length(MAX_URL_CHARS + 1);
    assert_eq!(guard.check_url(&one_more, Purpose::Media).err(), Some(TooLong));
    assert!(guard.check_url(&of_length(MAX_URL_CHARS), Purpose::Media).is_ok());
}

#[test]
fn a_url_as_long_as_the_schema_of_media_allows_is_taken() {
    let ocr = zoetrope_shared::tasks::find("ocr").expect("a kind");
    let schema = (ocr.input_schema)().to_string();
    let longest = schema.split("\"maxLength\":").filter_map(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<usize>().ok()
    });
    let longest = longest.max().expect("the schema should say how long a URL may be");
    let url = format!("{:a<longest$}", "http://example.com/");
    assert_eq!(
        strict().check_url(&url, Purpose::Media).err(),
        None,
        "{longest} characters"
    );
    assert_eq!(strict().check_url(&(url + "a"), Purpose::Media).err(), Some(TooLong));
}

#[test]
fn ordinary_public_urls_are_taken_with_their_host_and_port() {
    let cases = [
        (Purpose::Media, "http://example.com/a.png", "example.com", 80),
        (Purpose::Media, "https://EXAMPLE.com/a.png?x=1#top", "example.com", 443),
        (
            Purpose::Media,
            "https://cdn-1.my_bucket.example.com:8443/a",
            "cdn-1.my_bucket.example.com",
            8443,
        ),
        (Purpose::Media, "http://93.184.215.14/", "93.184.215.14", 80),
        (
            Purpose::Media,
            "http://[2606:2800:21f:0::1]:8000/",
            "[2606:2800:21f::1]",
            8000,
        ),
        (Purpose::Media, "http://[::ffff:93.184.215.14]/", "93.184.215.14", 80),
        (
            Purpose::Media,
            "https://xn--bcher-kva.example/",
            "xn--bcher-kva.example",
            443,
        ),
        (
            Purpose::Webhook,
            "https://hooks.example.com/zoetrope",
            "hooks.example.com",
            443,
        ),
        (Purpose::Stream, "rtsp://cam.example.com/1", "cam.example.com", 554),
        (
            Purpose::Stream,
            "rtsp://user:p%40ss@CAM.example.com:8554/1",
            "cam.example.com",
            8554,
        ),
        (Purpose::Stream, "rtsp://93.184.215.14/1", "93.184.215.14", 554),
        (Purpose::Stream, "rtmp://cam.example.com/a/b", "cam.example.com", 1935),
        (
            Purpose::Stream,
            "https://user:pass@cam.example.com/a.m3u8",
            "cam.example.com",
            443,
        ),
        (
            Purpose::Stream,
            "http://cam.example.com:8080/a",
            "cam.example.com",
            8080,
        ),
    ];
    for (purpose, url, host, port) in cases {
        let checked = strict()
            .check_url(url, purpose)
            .unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(
            (checked.host().to_string().as_str(), checked.port()),
            (host, port),
            "{url}"
        );
        assert_eq!(checked.url().host_str(), Some(host), "{url}");
    }
}

#[test]
fn an_opened_range_admits_its_addresses_in_plain_form_on_any_port_and_nothing_else() {
    let guard = opened(&["127.0.0.2/32", "192.168.0.0/16"]);
    let ok = |url: &str, purpose| guard.check_url(url, purpose).is_ok();
    assert!(ok("http://127.0.0.2:9/", Purpose::Media));
    assert!(ok("http://[::ffff:127.0.0.2]:9/", Purpose::Media));
    assert!(ok("rtsp://192.168.1.20:10554/live", Purpose::Stream));
    assert!(!ok("http://127.0.0.1/", Purpose::Media));
    assert!(!ok("http://127.0.0.2:0/", Purpose::Media));
    assert!(!ok("http://[::127.0.0.2]/", Purpose::Media));
    assert_eq!(
        guard.check_url("http://2130706434/", Purpose::Media).err(),
        Some(HostSpelling)
    );
    assert_eq!(
        guard.check_url("http://localhost/", Purpose::Media).err(),
        Some(LocalName)
    );
}

#[test]
fn metadata_services_stay_closed_when_everything_is_opened() {
    let guard = opened(&["0.0.0.0/0", "::/0"]);
    for url in [
        "http://169.254.169.254/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b:1:a9fe:a9:fe00::]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[2001:0:a9fe:a9fe::]/",
        "http://[2001:0:53aa:64c:0:fffe:5601:5601]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::a9fe:a9fe]/",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://metadata.google.internal/",
        "http://metadata.goog/",
    ] {
        assert_eq!(guard.check_url(url, Purpose::Media).err(), Some(Metadata), "{url}");
    }
}

#[test]
fn a_denied_range_wins_over_public_space_over_an_opened_range_and_over_tunnels_into_it() {
    let mut config = config(&["10.0.0.0/8", "2002::/16"]);
    config.deny_cidrs = vec![
        "10.1.0.0/16".parse().expect("a range"),
        "93.184.0.0/16".parse().expect("a range"),
    ];
    let guard = NetGuard::new(config);
    let refused = |url: &str| guard.check_url(url, Purpose::Media).err();
    assert_eq!(refused("http://10.2.0.1/"), None);
    assert_eq!(refused("http://10.1.0.1/"), Some(Address));
    assert_eq!(refused("http://93.184.215.14/"), Some(Address));
    assert_eq!(refused("http://[::ffff:10.1.0.1]/"), Some(Address));
    assert_eq!(refused("http://[2002:a01:1::]/"), Some(Address));
}

#[test]
fn what_is_shown_of_a_url_holds_no_credential_query_or_token() {
    let shown = |url: &str| redact(&Url::parse(url).expect("a URL"));
    assert_eq!(
        shown("rtsp://user:p%40ss@cam.example.com:8554/live"),
        "rtsp://***@cam.example.com:8554/live"
    );
    assert_eq!(
        shown("https://example.com/a/b.png?sig=SECRET#SECRET"),
        "https://example.com/a/b.png?***"
    );
    assert_eq!(
        shown("rtsp://10.0.0.9/user=admin_password=x/1"),
        "rtsp://10.0.0.9/***/1"
    );
    assert_eq!(
        shown("https://hooks.example.com/T024BE7LD8Q2W9R4Y6U1I3O5"),
        "https://hooks.example.com/***"
    );
    assert_eq!(shown("data:text/plain,SECRET"), "data:***");

    let checked = strict()
        .check_url("rtsp://u:SECRET@example.com/a?k=SECRET", Purpose::Stream)
        .expect("taken");
    assert!(!format!("{checked} {checked:?}").contains("SECRET"));
    assert_eq!(checked.url().password(), Some("SECRET"));
}

#[test]
fn the_table_leaves_out_no_form_but_those_that_are_tested_elsewhere() {
    let elsewhere = (31..=37).chain([50, 52, 53]);
    let mut numbers: Vec<u32> = BAD.iter().map(|(number, _, _)| *number).chain(elsewhere).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (1..=53).collect::<Vec<u32>>());
}
