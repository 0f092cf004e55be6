//! `../tla/raft_core.tla` in Rust, action by action, by the same names: the same states, the same transitions.

use stateright::{Model, Property};

type Term = u8;
type Index = u8;
type ServerId = u8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    term: Term,
    value: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Role {
    Follower,
    Candidate,
    Leader,
}

/// `next` and `matched` are those of a leader; other servers have zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server<const N: usize> {
    role: Role,
    term: Term,
    voted: Option<ServerId>,
    log: Vec<Entry>,
    commit: Index,
    votes: u8,
    next: [Index; N],
    matched: [Index; N],
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    source: ServerId,
    target: ServerId,
    term: Term,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Body {
    RequestVote { last_index: Index, last_term: Term },
    RequestVoteResponse { granted: bool },
    AppendEntries { previous_index: Index, previous_term: Term, entry: Option<Entry>, commit: Index },
    AppendEntriesResponse { success: bool, index: Index },
}

/// What is left of each kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    pub timeouts: u8,
    pub requests: u8,
    pub heartbeats: u8,
    pub restarts: u8,
}

/// Messages in flight, each with how often: a bag, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bag(Vec<(Message, u8)>);

impl Bag {
    fn add(&mut self, message: Message) {
        match self.0.binary_search_by(|(held, _)| held.cmp(&message)) {
            Ok(place) => self.0[place].1 += 1,
            Err(place) => self.0.insert(place, (message, 1)),
        }
    }

    fn remove(&mut self, message: &Message) {
        let place = self.0.binary_search_by(|(held, _)| held.cmp(message)).expect("only what is in flight arrives");
        self.0[place].1 -= 1;
        if self.0[place].1 == 0 {
            self.0.remove(place);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World<const N: usize> {
    servers: [Server<N>; N],
    network: Bag,
    budget: Budget,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Timeout(ServerId),
    Request(ServerId),
    Heartbeat(ServerId),
    Restart(ServerId),
    Receive(Message),
}

pub struct RaftCore<const N: usize> {
    pub budget: Budget,
}

fn is_quorum<const N: usize>(count: u32) -> bool {
    2 * count as usize > N
}

impl<const N: usize> Server<N> {
    fn new() -> Self {
        let (log, next, matched) = (Vec::new(), [0; N], [0; N]);
        Server { role: Role::Follower, term: 0, voted: None, log, commit: 0, votes: 0, next, matched }
    }

    fn last_index(&self) -> Index {
        self.log.len() as Index
    }

    fn last_term(&self) -> Term {
        self.log.last().map_or(0, |entry| entry.term)
    }

    fn term_at(&self, index: Index) -> Term {
        if index == 0 { 0 } else { self.log[index as usize - 1].term }
    }

    fn follow(&mut self) {
        self.role = Role::Follower;
        self.votes = 0;
        self.next = [0; N];
        self.matched = [0; N];
    }

    /// `App`: at most one entry, the next that `target` needs.
    fn append_to(&self, this: ServerId, target: ServerId) -> Message {
        let previous_index = self.next[target as usize] - 1;
        let entry = self.log.get(previous_index as usize).copied();
        let commit = self.commit.min(previous_index + entry.is_some() as Index);
        let previous_term = self.term_at(previous_index);
        let body = Body::AppendEntries { previous_index, previous_term, entry, commit };
        Message { source: this, target, term: self.term, body }
    }

    fn append_to_all(&self, this: ServerId, network: &mut Bag) {
        for target in others::<N>(this) {
            network.add(self.append_to(this, target));
        }
    }

    fn on_request_vote(&mut self, message: &Message, last_index: Index, last_term: Term, network: &mut Bag) {
        let up_to_date = (last_term, last_index) >= (self.last_term(), self.last_index());
        let free = self.voted.is_none() || self.voted == Some(message.source);
        let granted = message.term == self.term && free && up_to_date;
        if granted {
            self.voted = Some(message.source);
        }
        network.add(self.answer(message, Body::RequestVoteResponse { granted }));
    }

    fn on_request_vote_response(&mut self, message: &Message, granted: bool, network: &mut Bag) {
        if self.role != Role::Candidate || message.term != self.term || !granted {
            return;
        }
        self.votes |= 1 << message.source;
        if is_quorum::<N>(self.votes.count_ones()) {
            self.role = Role::Leader;
            self.votes = 0;
            self.next = [self.last_index() + 1; N];
            self.matched = [0; N];
            self.matched[message.target as usize] = self.last_index();
            self.append_to_all(message.target, network);
        }
    }

    fn on_append_entries(
        &mut self,
        message: &Message,
        (previous_index, previous_term): (Index, Term),
        entry: Option<Entry>,
        commit: Index,
        network: &mut Bag,
    ) {
        let refused = |index| Body::AppendEntriesResponse { success: false, index };
        if message.term < self.term {
            network.add(self.answer(message, refused(0)));
            return;
        }
        if self.role == Role::Candidate {
            self.follow();
        }
        if previous_index > self.last_index() || self.term_at(previous_index) != previous_term {
            network.add(self.answer(message, refused(previous_index)));
            return;
        }
        let index = previous_index + entry.is_some() as Index;
        self.merge(previous_index, entry);
        self.commit = self.commit.max(commit.min(index));
        network.add(self.answer(message, Body::AppendEntriesResponse { success: true, index }));
    }

    fn merge(&mut self, previous_index: Index, entry: Option<Entry>) {
        let Some(entry) = entry else { return };
        let place = previous_index as usize;
        if self.log.get(place).is_some_and(|mine| mine.term != entry.term) {
            self.log.truncate(place);
        }
        if self.log.len() == place {
            self.log.push(entry);
        }
    }

    fn on_append_entries_response(&mut self, message: &Message, success: bool, index: Index, network: &mut Bag) {
        if self.role != Role::Leader || message.term != self.term {
            return;
        }
        let source = message.source as usize;
        if success {
            self.matched[source] = self.matched[source].max(index);
            self.next[source] = self.next[source].max(index + 1);
            self.advance_commit();
            if self.next[source] <= self.last_index() {
                network.add(self.append_to(message.target, message.source));
            }
        } else if index == self.next[source] - 1 {
            self.next[source] = (self.next[source] - 1).max(1);
            network.add(self.append_to(message.target, message.source));
        }
    }

    fn advance_commit(&mut self) {
        for index in (self.commit + 1..=self.last_index()).rev() {
            let holders = self.matched.iter().filter(|matched| **matched >= index).count();
            if self.term_at(index) == self.term && is_quorum::<N>(holders as u32) {
                self.commit = index;
                return;
            }
        }
    }

    fn answer(&self, message: &Message, body: Body) -> Message {
        Message { source: message.target, target: message.source, term: self.term, body }
    }
}

fn others<const N: usize>(this: ServerId) -> impl Iterator<Item = ServerId> {
    (0..N as ServerId).filter(move |server| *server != this)
}

impl<const N: usize> RaftCore<N> {
    fn timeout(&self, world: &mut World<N>, this: ServerId) {
        world.budget.timeouts -= 1;
        let server = &mut world.servers[this as usize];
        server.follow();
        server.role = Role::Candidate;
        server.term += 1;
        server.voted = Some(this);
        server.votes = 1 << this;
        let (last_index, last_term, term) = (server.last_index(), server.last_term(), server.term);
        for target in others::<N>(this) {
            let body = Body::RequestVote { last_index, last_term };
            world.network.add(Message { source: this, target, term, body });
        }
    }

    fn request(&self, world: &mut World<N>, this: ServerId) {
        let value = self.budget.requests - world.budget.requests;
        world.budget.requests -= 1;
        let server = &mut world.servers[this as usize];
        server.log.push(Entry { term: server.term, value });
        server.matched[this as usize] = server.last_index();
        server.append_to_all(this, &mut world.network);
    }

    fn receive(&self, world: &mut World<N>, message: &Message) {
        world.network.remove(message);
        let network = &mut world.network;
        let server = &mut world.servers[message.target as usize];
        if message.term > server.term {
            server.follow();
            server.term = message.term;
            server.voted = None;
        }
        match message.body {
            Body::RequestVote { last_index, last_term } => {
                server.on_request_vote(message, last_index, last_term, network)
            }
            Body::RequestVoteResponse { granted } => server.on_request_vote_response(message, granted, network),
            Body::AppendEntries { previous_index, previous_term, entry, commit } => {
                server.on_append_entries(message, (previous_index, previous_term), entry, commit, network)
            }
            Body::AppendEntriesResponse { success, index } => {
                server.on_append_entries_response(message, success, index, network)
            }
        }
    }
}

impl<const N: usize> Model for RaftCore<N> {
    type State = World<N>;
    type Action = Action;

    fn init_states(&self) -> Vec<World<N>> {
        let servers = std::array::from_fn(|_| Server::new());
        vec![World { servers, network: Bag::default(), budget: self.budget }]
    }

    fn actions(&self, world: &World<N>, actions: &mut Vec<Action>) {
        for (this, server) in (0..).zip(&world.servers) {
            let leads = server.role == Role::Leader;
            let possible = [
                (world.budget.timeouts > 0 && !leads, Action::Timeout(this)),
                (world.budget.requests > 0 && leads, Action::Request(this)),
                (world.budget.heartbeats > 0 && leads, Action::Heartbeat(this)),
                (world.budget.restarts > 0, Action::Restart(this)),
            ];
            actions.extend(possible.into_iter().filter(|(can, _)| *can).map(|(_, action)| action));
        }
        actions.extend(world.network.0.iter().map(|(message, _)| Action::Receive(message.clone())));
    }

    fn next_state(&self, last: &World<N>, action: Action) -> Option<World<N>> {
        let mut world = last.clone();
        match action {
            Action::Timeout(this) => self.timeout(&mut world, this),
            Action::Request(this) => self.request(&mut world, this),
            Action::Heartbeat(this) => {
                world.budget.heartbeats -= 1;
                world.servers[this as usize].append_to_all(this, &mut world.network);
            }
            Action::Restart(this) => {
                world.budget.restarts -= 1;
                world.servers[this as usize].follow();
                world.servers[this as usize].commit = 0;
            }
            Action::Receive(message) => self.receive(&mut world, &message),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("election safety", |_, world: &World<N>| {
            world.servers.iter().enumerate().all(|(place, one)| {
                world.servers[place + 1..].iter().all(|other| {
                    one.role != Role::Leader || other.role != Role::Leader || one.term != other.term
                })
            })
        })]
    }
}
