//! Announced ports: where control conversations tell others to meet, and where they only seem to.

use super::{Alert, Labelled, Scenario};
use crate::support::speech;
use crate::support::talk::Tap;

pub(super) fn all() -> Vec<Scenario> {
    vec![over_pipes(), behind_translation(), by_directory()]
}

/// A flow that was announced.
fn met(label: Labelled) -> Labelled {
    label.story(&["negotiated_port"]).fact("announced_by").alert(Alert::Never)
}

/// SSH where nobody was told to meet.
fn not_met(what: &'static str, originator: &str, responder: &str) -> Labelled {
    Labelled::tcp(what, originator, responder).story(&["nonstandard_port"]).app("ssh")
}

fn over_pipes() -> Scenario {
    let mut tap = Tap::default();
    let server = "10.3.1.10:445";
    let [hello, welcome] = speech::smb2();
    let [map, mapped] = speech::ept_map(speech::EMSMDB, [10, 3, 1, 10], 1207);
    let [create, created] = speech::smb2_create(2, "epmapper", 0);
    let [ask, answer] = speech::smb2_transceive(3, &map, &mapped);
    let smb = tap.tcp(0, "10.3.0.20:50001", server).open().ask(&hello).answer(&welcome);
    smb.ask(&create).answer(&created).ask(&ask).answer(&answer).close();
    let [bind, bound] = speech::rpc_bind(speech::EMSMDB, 1207);
    tap.tcp(900, "10.3.0.20:50002", "10.3.1.10:1207").open().ask(&bind).answer(&bound).close();
    // Somebody put a reply of the mapper into a file, and somebody else reads it.
    let [_, forged] = speech::ept_map(speech::EMSMDB, [10, 3, 1, 10], 3098);
    let [create, created] = speech::smb2_create(2, "epmapper", 1);
    let [ask, answer] = speech::smb2_read(3, &forged);
    let smb = tap.tcp(2000, "10.3.0.21:50003", server).open().ask(&hello).answer(&welcome);
    smb.ask(&create).answer(&created).ask(&ask).answer(&answer).close();
    let [banner, reply] = speech::ssh();
    tap.tcp(2900, "10.3.0.66:50004", "10.3.1.10:3098").open().answer(&reply).ask(&banner).close();
    let flows = vec![
        Labelled::tcp("the endpoint mapper is asked over its pipe", "10.3.0.20:50001", server).app("smb"),
        met(Labelled::tcp("and what it named is met", "10.3.0.20:50002", "10.3.1.10:1207").app("dcerpc")),
        not_met("what a file says is no announcement", "10.3.0.66:50004", "10.3.1.10:3098"),
    ];
    let proves = "The endpoint mapper announces over SMB's named pipe as it does over TCP; the same bytes in \
                  a file on a share, even one of the pipe's name, announce nothing.";
    Scenario::new("meet-smb", proves, tap.frames(), flows, vec![])
}

fn behind_translation() -> Scenario {
    let mut tap = Tap::default();
    let (client, server) = ("203.0.113.20", "198.51.100.21");
    let [hello, user, password, pass, welcome] = speech::ftp_login();
    let control = format!("{server}:21");
    let ftp = tap.tcp(0, &format!("{client}:50001"), &control).open().answer(hello).ask(user);
    let ftp = ftp.answer(password).ask(pass).answer(welcome);
    let ftp = ftp.ask(b"PORT 192,168,1,20,11,191\r\n").answer(b"200 PORT command successful\r\n").wait(500);
    ftp.ask(b"PASV\r\n").answer(b"227 Entering Passive Mode (10,9,9,9,12,26).\r\n").close();
    let listing = b"-rw-r--r-- 1 anna users 42 Jan  1 00:00 notes.txt\r\n";
    let to_client = format!("{client}:3007");
    tap.tcp(200, &format!("{server}:20"), &to_client).open().ask(listing).close();
    let to_server = format!("{server}:3098");
    tap.tcp(700, &format!("{client}:50002"), &to_server).open().answer(listing).close();
    // Who names a place of the server's and goes there himself was told by nobody.
    let liar = tap.tcp(1500, "203.0.113.66:50003", &control).open().answer(hello).ask(user);
    let liar = liar.answer(password).ask(pass).answer(welcome);
    liar.ask(b"PORT 198,51,100,21,4,183\r\n").answer(b"500 Illegal PORT command\r\n").close();
    let [banner, reply] = speech::ssh();
    let target = format!("{server}:1207");
    tap.tcp(2500, "203.0.113.66:50004", &target).open().answer(&reply).ask(&banner).close();
    let flows = vec![
        met(Labelled::tcp("PORT names an inside address", "198.51.100.21:20", &to_client)),
        met(Labelled::tcp("and so does the reply to PASV", "203.0.113.20:50002", &to_server)),
        not_met("a target announced by who goes there", "203.0.113.66:50004", &target),
    ];
    let proves = "Behind address translation FTP names inside addresses; the data connections at the other \
                  end of the control connection are explained by them. Who announces somebody else's port \
                  and goes there himself is not.";
    Scenario::new("meet-ftp-nat", proves, tap.frames(), flows, vec![])
}

fn by_directory() -> Scenario {
    let mut tap = Tap::default();
    let group = "224.0.0.251:5353";
    let [get, ok] = speech::http("stock.example.net", "42 boxes\n");
    tap.udp(0, "10.3.1.30:5353", group).ask(&speech::mdns_service("_stock._tcp", 3007, [10, 3, 1, 30]));
    tap.tcp(500, "10.3.0.30:50001", "10.3.1.30:3007").open().ask(&get).answer(&ok).close();
    let [ask, answer] = speech::dns_service("_stock._tcp.example.net", 3098, [10, 3, 1, 31]);
    tap.udp(1000, "10.3.0.30:50002", "10.3.1.53:53").ask(&ask).answer(&answer);
    tap.tcp(1500, "10.3.0.30:50003", "10.3.1.31:3098").open().ask(&get).answer(&ok).close();
    tap.udp(2000, "10.3.0.66:5353", group).ask(&speech::mdns_service("_ssh._tcp", 1207, [10, 3, 1, 32]));
    let [banner, reply] = speech::ssh();
    tap.tcp(2500, "10.3.0.66:50004", "10.3.1.32:1207").open().answer(&reply).ask(&banner).close();
    // The service of a registered port is at home there, whatever a directory says.
    tap.udp(3000, "10.3.1.33:5353", group).ask(&speech::mdns_service("_ssh._tcp", 22, [10, 3, 1, 33]));
    tap.tcp(3500, "10.3.0.30:50005", "10.3.1.33:22").open().answer(&reply).ask(&banner).close();
    // Nobody answers the request on its own flow: it is read before the flow that it explains is judged.
    tap.udp(4000, "10.3.0.34:3206", "10.3.1.69:69").ask(b"\0\x01boot.img\0octet\0");
    let block = [&[0, 3, 0, 1][..], &[0xeb; 512]].concat();
    tap.udp(4100, "10.3.1.69:50069", "10.3.0.34:3206").ask(&block).answer(&[0, 4, 0, 1]);
    let flows = vec![
        met(Labelled::tcp("a service that its host advertises", "10.3.0.30:50001", "10.3.1.30:3007")
            .app("http")),
        met(Labelled::tcp("one that a name server lists", "10.3.0.30:50003", "10.3.1.31:3098").app("http")),
        not_met("one that a stranger advertises", "10.3.0.66:50004", "10.3.1.32:1207"),
        Labelled::tcp("one at home", "10.3.0.30:50005", "10.3.1.33:22")
            .story(&["registered_service"])
            .app("ssh")
            .alert(Alert::Never),
        met(Labelled::udp("TFTP's answer comes from elsewhere", "10.3.1.69:50069", "10.3.0.34:3206")),
    ];
    let proves = "Service records announce: by multicast only the speaker's own ports, by a name server what \
                  it was asked for, and neither what is registered there anyway. A request by TFTP that is \
                  never answered on its own flow is read in time.";
    Scenario::new("meet-directory", proves, tap.frames(), flows, vec![])
}
