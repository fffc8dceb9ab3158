//! A SkyDrive in memory with the cloud's rules. Any request can fail.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use super::*;
use crate::{
    services::skydrive::names,
    transport::scripted::{Scripted, Sent},
};

const CID: &str = "8c8ce076ca27823f";

/// The failure of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The cloud rejects the request.
    Refused,
    /// The cloud fails before it has an effect.
    Broken,
    /// The request does not arrive.
    Unreached,
    /// The request succeeds, but its response is lost.
    AnswerLost,
}

pub(super) const FAULTS: [Fault; 4] =
    [Fault::Refused, Fault::Broken, Fault::Unreached, Fault::AnswerLost];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) parent: u64,
    pub(super) bytes: Option<Vec<u8>>,
}

#[derive(Default)]
pub(super) struct State {
    /// Number 0 is the root, which is no node.
    pub(super) nodes: BTreeMap<u64, Node>,
    last: u64,
    requests: usize,
    /// First and last request that fail, and how.
    fault: Option<(usize, usize, Fault)>,
}

#[derive(Clone, Default)]
pub(super) struct Cloud(Arc<Mutex<State>>);

impl Cloud {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn transport(&self) -> Scripted {
        let cloud = self.clone();
        Scripted::by(move |sent| cloud.answer(sent))
    }

    pub(super) fn answer(&self, sent: &Sent) -> Outcome {
        self.state().answer(sent)
    }

    pub(super) fn folder(&self, parent: u64, name: &str) -> u64 {
        self.state().add(parent, name, None)
    }

    pub(super) fn file(&self, parent: u64, name: &str, bytes: &str) -> u64 {
        self.state().add(parent, name, Some(bytes.into()))
    }

    pub(super) fn id(&self, number: u64) -> ItemId {
        self.state().id(number).into()
    }

    /// The item as the drive knows it.
    pub(super) fn item(&self, number: u64) -> Item {
        let state = self.state();
        let node = &state.nodes[&number];
        let kind = if node.bytes.is_some() { ItemKind::File } else { ItemKind::Folder };
        known(&state.id(number), &node.name, known_parent(&state, node).as_str(), kind)
    }

    /// Requests number `from` to `to`, counted from now, fail.
    pub(super) fn fail(&self, from: usize, to: usize, fault: Fault) {
        let mut state = self.state();
        let now = state.requests;
        state.fault = Some((now + from, now.saturating_add(to), fault));
    }

    pub(super) fn requests(&self) -> usize {
        self.state().requests
    }
}

fn known_parent(state: &State, node: &Node) -> ItemId {
    crate::services::skydrive::item::normalize_id(&state.id(node.parent))
}

impl State {
    fn add(&mut self, parent: u64, name: &str, bytes: Option<Vec<u8>>) -> u64 {
        self.last += 1;
        self.nodes.insert(self.last, Node { name: name.to_owned(), parent, bytes });
        self.last
    }

    fn id(&self, number: u64) -> String {
        match self.nodes.get(&number) {
            None => format!("folder.{CID}"),
            Some(node) => {
                let kind = if node.bytes.is_some() { "file" } else { "folder" };
                format!("{kind}.{CID}.{}!{number}", CID.to_uppercase())
            }
        }
    }

    fn number(&self, id: &str) -> Option<u64> {
        if id == "me/skydrive" || id == format!("folder.{CID}") {
            return Some(0);
        }
        let number = id.rsplit_once('!')?.1.parse().ok()?;
        (self.nodes.contains_key(&number) && self.id(number) == id).then_some(number)
    }

    fn taken(&self, parent: u64, name: &str, but: Option<u64>) -> Option<u64> {
        let name = names::fold(name).into_owned();
        self.nodes
            .iter()
            .find(|(number, node)| {
                node.parent == parent && Some(**number) != but && names::fold(&node.name) == name
            })
            .map(|(number, _)| *number)
    }

    fn answer(&mut self, sent: &Sent) -> Outcome {
        let at = self.requests;
        self.requests += 1;
        match self.fault {
            Some((from, to, fault)) if (from..=to).contains(&at) => match fault {
                Fault::Refused => refusal(403, "request_token_unauthorized", "Not today."),
                Fault::Broken => refusal(500, "server_internal_error", "Sorry."),
                Fault::Unreached => Outcome::Reset,
                Fault::AnswerLost => {
                    self.perform(sent);
                    Outcome::Reset
                }
            },
            _ => self.perform(sent),
        }
    }

    fn perform(&mut self, sent: &Sent) -> Outcome {
        let url = url::Url::parse(&sent.url).unwrap();
        if url.host_str() == Some("tickets.example") {
            let number = url.path()[1..].parse().unwrap();
            return match self.nodes.get(&number).and_then(|node| node.bytes.clone()) {
                Some(bytes) => answer(200, bytes),
                None => answer(404, ""),
            };
        }
        let path = percent_encoding::percent_decode_str(&url.path()["/v5.0/".len()..])
            .decode_utf8()
            .unwrap()
            .into_owned();
        let (id, rest) = match path.find("/files").or_else(|| path.find("/content")) {
            Some(at) => path.split_at(at),
            None => (&*path, ""),
        };
        let Some(number) = self.number(id) else {
            return refusal(404, "resource_not_found", "It does not exist.");
        };
        let field = |name: &str| {
            let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
            body[name].as_str().unwrap().to_owned()
        };
        match (sent.method.as_str(), rest) {
            ("GET", "") => answer(200, self.object(number)),
            ("GET", "/files") => {
                let children: Vec<_> = self.children(number).map(|n| self.object(n)).collect();
                answer(200, format!(r#"{{"data":[{}]}}"#, children.join(",")))
            }
            ("GET", "/content") => {
                answer(200, format!(r#"{{"location":"https://tickets.example/{number}"}}"#))
            }
            ("PUT", "") => {
                let parent = self.nodes[&number].parent;
                self.place(number, parent, field("name"))
            }
            ("MOVE", "") => match self.number(&field("destination")) {
                Some(parent) => self.place(number, parent, self.nodes[&number].name.clone()),
                None => refusal(404, "resource_not_found", "It does not exist."),
            },
            ("COPY", "") => {
                let Some(parent) = self.number(&field("destination")) else {
                    return refusal(404, "resource_not_found", "It does not exist.");
                };
                let Node { name, bytes, .. } = self.nodes[&number].clone();
                if self.taken(parent, &name, None).is_some() {
                    return refusal(409, "resource_already_exists", "Taken.");
                }
                let copy = self.add(parent, &name, bytes);
                answer(201, self.object(copy))
            }
            ("POST", "") => {
                let name = field("name");
                if self.taken(number, &name, None).is_some() {
                    return refusal(409, "resource_already_exists", "Taken.");
                }
                let folder = self.add(number, &name, None);
                answer(201, self.object(folder))
            }
            ("DELETE", "") => {
                self.remove(number);
                answer(204, "")
            }
            ("PUT", rest) => {
                let name = rest.strip_prefix("/files/").unwrap();
                let file = match self.taken(number, name, None) {
                    Some(_) if url.query().unwrap().contains("overwrite=false") => {
                        return refusal(409, "resource_already_exists", "Taken.");
                    }
                    Some(file) => {
                        self.nodes.get_mut(&file).unwrap().bytes = Some(sent.body.clone());
                        file
                    }
                    None => self.add(number, name, Some(sent.body.clone())),
                };
                let id = self.id(file);
                answer(201, format!(r#"{{"id":"{id}","name":"{name}","source":null}}"#))
            }
            other => panic!("no such request: {other:?}"),
        }
    }

    fn children(&self, parent: u64) -> impl Iterator<Item = u64> {
        self.nodes.iter().filter(move |(_, node)| node.parent == parent).map(|(number, _)| *number)
    }

    fn place(&mut self, number: u64, parent: u64, name: String) -> Outcome {
        if self.taken(parent, &name, Some(number)).is_some() {
            return refusal(409, "resource_already_exists", "Taken.");
        }
        let node = self.nodes.get_mut(&number).unwrap();
        (node.name, node.parent) = (name, parent);
        answer(200, self.object(number))
    }

    fn remove(&mut self, number: u64) {
        let below: Vec<_> = self.children(number).collect();
        for child in below {
            self.remove(child);
        }
        self.nodes.remove(&number);
    }

    fn object(&self, number: u64) -> String {
        let id = self.id(number);
        let Some(Node { name, parent, bytes }) = self.nodes.get(&number) else {
            return format!(
                r#"{{"id":"{id}","name":"SkyDrive","type":"folder","parent_id":null}}"#
            );
        };
        let rest = match bytes {
            Some(bytes) => format!(
                r#""type":"file","size":{},"source":"https://tickets.example/{number}""#,
                bytes.len()
            ),
            None => format!(r#""type":"folder","count":{}"#, self.children(number).count()),
        };
        let parent = self.id(*parent);
        format!(r#"{{"id":"{id}","name":"{name}","parent_id":"{parent}",{rest}}}"#)
    }
}
