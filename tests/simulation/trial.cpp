// SPDX-License-Identifier: Apache-2.0
#include "trial.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "comm/simulation/simulated_cluster.hpp"
#include "firecaffe/core/error.hpp"
#include "program.hpp"

namespace simulation {
namespace {

constexpr double kHorizonSeconds = 200;  // far beyond every deadline of a scenario
constexpr std::uint64_t kMostEvents = 3'000'000;

// What may come of a fault.
struct Expectation {
    bool may_fail = false;
    std::set<Rank> culprits{};
    std::string words{};     // that each survivor's error has
    double seconds = 0;      // within which all survivors have ended
    bool one_cause = false;  // all but the culprit show the same words
};

std::set<Rank> all_ranks(const Scenario& scenario) {
    std::set<Rank> all;
    for (Rank rank = 0; rank < scenario.ranks(); ++rank) all.insert(rank);
    return all;
}

Expectation expectation(const Scenario& scenario, const Fault& fault) {
    const double deadline = scenario.deadline_seconds, stall = scenario.stall_seconds;
    const Rank v = fault.victim, w = fault.other;
    switch (fault.kind) {
        case FaultKind::none:
        case FaultKind::slow:
        case FaultKind::brief_stop:
        case FaultKind::brief_hold:
            return {};
        case FaultKind::killed:
            return {true, {v}, "closed", 1, true};
        case FaultKind::killed_by_reset:
            // A goodbye of rank 0 may have reached some of the others.
            return {true, {v}, "closed", 1, v != 0};
        case FaultKind::stopped:
        case FaultKind::stopped_and_gone_on:
            return {true, {v}, "no sign of life for more than", deadline, true};
        case FaultKind::hung:
            return {true, {v}, "made no progress for more than", stall + deadline, true};
        case FaultKind::cut:
            return {true, {v, w}, "its data connection closed", deadline + 1, true};
        case FaultKind::parted:
        case FaultKind::parted_one_way:
            return {true, {v, w}, "", 2 * deadline + 1, false};
        // Who is cut off believes that rank 0 is, and may be able to tell it.
        case FaultKind::isolated:
            return {true, {v}, "", 2 * deadline + 1, false};
        case FaultKind::changed_byte:
            return {true, {v}, "it sent a damaged frame", 1, true};
        // Who cannot read what rank 0 says closes the connection, which is all that the others see.
        case FaultKind::changed_control_byte:
            return {true, {v, w}, "", deadline + 1, false};
        case FaultKind::other_length:
        case FaultKind::other_bucket:
        case FaultKind::other_type:
        case FaultKind::other_order:
            return {true, all_ranks(scenario), "it is in another operation", 2, true};
        case FaultKind::gives_up:
            return {true, {v}, "gave up: it is out of luck", 1, true};
        case FaultKind::leaves:
            // Without rank 0 nobody collects what the others see.
            if (v == 0) return {true, all_ranks(scenario), "", stall + 2 * deadline, false};
            return {true, {v}, "", stall + 2 * deadline, true};
    }
    return {};
}

class Trial final : private Actor {
  public:
    explicit Trial(const Scenario& scenario)
        : scenario_(scenario),
          sums_(scenario),
          cluster_({.ranks = scenario.ranks(),
                    .deadline_seconds = scenario.deadline_seconds,
                    .stall_seconds = scenario.stall_seconds,
                    .seed = scenario.seed,
                    .link =
                        [&](Rank from, Rank to) {
                            return scenario.links[static_cast<std::size_t>(from * scenario.ranks() + to)];
                        }}),
          moments_(static_cast<std::size_t>(scenario.ranks()), 0),
          struck_at_(scenario.faults.size()) {
        for (Rank rank = 0; rank < scenario.ranks(); ++rank) {
            programs_.push_back(std::make_unique<Program>(scenario, sums_, cluster_.time(), cluster_.transport(rank),
                                                          [this](Rank r) { goes_on(r); }));
            programs_.back()->start();
        }
    }

    TrialReport run() {
        VirtualTime& time = cluster_.time();
        while (!all_settled() && time.seconds_since_start() < kHorizonSeconds && time.steps() < kMostEvents)
            if (!time.step()) break;
        judge();
        report_.trace = time.trace();
        report_.events = time.steps();
        return std::move(report_);
    }

  private:
    static std::size_t at(Rank rank) { return static_cast<std::size_t>(rank); }
    Program& program(Rank rank) { return *programs_[at(rank)]; }
    SimulatedTransport& transport(Rank rank) { return cluster_.transport(rank); }

    // Nobody can expect anything more of it.
    bool settled(Rank rank) { return program(rank).settled() || out_.count(rank) > 0; }
    bool all_settled() {
        for (Rank rank = 0; rank < cluster_.size(); ++rank)
            if (!settled(rank)) return false;
        return true;
    }

    void goes_on(Rank rank) {
        const int moment = ++moments_[at(rank)];
        for (std::size_t i = 0; i < scenario_.faults.size(); ++i) {
            const Fault& fault = scenario_.faults[i];
            if (fault.witness != rank || fault.moment != moment || fault.kind == FaultKind::none) continue;
            struck_at_[i] = cluster_.time().now();
            report_.struck = true;
            strike(fault, static_cast<int>(i));
        }
    }

    // The end of a fault.
    void wake(int number) override {
        const Fault& fault = scenario_.faults[at(number)];
        switch (fault.kind) {
            case FaultKind::brief_stop:
            case FaultKind::stopped_and_gone_on:
                transport(fault.victim).resume();
                break;
            case FaultKind::isolated:
                for (Rank rank = 0; rank < cluster_.size(); ++rank)
                    if (rank != fault.victim) cluster_.give_up(fault.victim, rank);
                break;
            default:
                cluster_.give_up(fault.victim, fault.other);
                break;
        }
    }

    void part(Rank from, Rank to) {
        cluster_.data(from, to).hold_for_ever();
        if (from == 0 || to == 0) cluster_.control(from, to).hold_for_ever();
    }

    void strike(const Fault& fault, int number) {
        const Rank v = fault.victim, w = fault.other;
        const auto length = seconds(fault.seconds);
        const auto change = [&](auto&& how) { program(v).change_next(how); };
        switch (fault.kind) {
            case FaultKind::none:
                break;
            case FaultKind::slow:
                program(v).be_slow(fault.seconds);
                break;
            case FaultKind::brief_stop:
                transport(v).stop();
                cluster_.time().after(length, *this, number);
                break;
            case FaultKind::brief_hold:
                cluster_.data(v, w).hold(length);
                if (v == 0 || w == 0) cluster_.control(v, w).hold(length);
                break;
            case FaultKind::killed:
            case FaultKind::killed_by_reset:
                transport(v).end(fault.kind == FaultKind::killed);
                out_.insert(v);
                break;
            case FaultKind::stopped:
                transport(v).stop();
                out_.insert(v);
                break;
            case FaultKind::stopped_and_gone_on:
                transport(v).stop();
                cluster_.time().after(length, *this, number);
                break;
            case FaultKind::hung:
                program(v).hang();
                break;
            case FaultKind::cut: {
                Stream& stream = cluster_.data(v, w);
                stream.cut(stream.written() + static_cast<std::uint64_t>(fault.bytes), cluster_.data(w, v));
                break;
            }
            case FaultKind::parted:
                part(v, w);
                part(w, v);
                cluster_.time().after(length, *this, number);
                break;
            case FaultKind::parted_one_way:
                part(v, w);
                cluster_.time().after(length, *this, number);
                break;
            case FaultKind::isolated:
                for (Rank rank = 0; rank < cluster_.size(); ++rank) {
                    if (rank == v) continue;
                    part(v, rank);
                    part(rank, v);
                }
                cluster_.time().after(length, *this, number);
                break;
            case FaultKind::changed_byte:
            case FaultKind::changed_control_byte: {
                Stream& stream = fault.kind == FaultKind::changed_byte ? cluster_.data(v, w) : cluster_.control(v, w);
                stream.change_byte(stream.written() + static_cast<std::uint64_t>(fault.bytes),
                                   static_cast<std::byte>(fault.mask));
                break;
            }
            case FaultKind::other_length:
                change([](Request& request) { ++request.count; });
                break;
            case FaultKind::other_bucket:
                change([](Request& request) { ++request.tag.bucket; });
                break;
            case FaultKind::other_type:
                change([](Request& request) {
                    // As many bytes, so that lengths do not tell.
                    const bool wide = request.dtype == DType::float64;
                    request.dtype = wide ? DType::float32 : DType::float64;
                    request.count = wide ? 2 * request.count : request.count / 2;
                });
                break;
            case FaultKind::other_order:
                change([](Request& request) { ++request.tag.sequence; });
                break;
            case FaultKind::gives_up:
                transport(v).abort("it is out of luck");
                break;
            case FaultKind::leaves:
                program(v).leave_early();
                break;
        }
    }

    template <class... Parts>
    void violation(const Parts&... parts) {
        report_.violations.push_back(text(parts...));
    }

    void judge() {
        std::vector<Expectation> expected;
        for (std::size_t i = 0; i < scenario_.faults.size(); ++i)
            if (struck_at_[i]) expected.push_back(expectation(scenario_, scenario_.faults[i]));
        if (program(0).state() == Program::State::finished) {
            // Rank 0 has left in order, and each of the others knows only what it sees itself.
            for (Expectation& one : expected) {
                one.culprits = all_ranks(scenario_);
                one.words.clear();
                one.seconds += scenario_.stall_seconds;
                one.one_cause = false;
            }
        }
        std::set<std::string> causes;
        for (Rank rank = 0; rank < cluster_.size(); ++rank) {
            tell(rank);
            judge_rank(rank, expected);
            const bool culprit = expected.size() == 1 && expected[0].culprits.count(rank) > 0;
            if (program(rank).state() == Program::State::failed && !culprit)
                causes.insert(transport(rank).verdict()->cause);
        }
        if (std::ranges::none_of(expected, &Expectation::may_fail)) judge_goodbye();
        if (expected.size() == 1 && expected[0].one_cause && causes.size() > 1) {
            for (const std::string& cause : causes) violation("not one cause for all: ", cause);
        }
    }

    // A job that nothing ended: all say goodbye, and are gone as soon as the last one has.
    void judge_goodbye() {
        Time last{};
        for (const auto& one : programs_) last = std::max(last, one->closing_since());
        double allowed = 0.3;  // a look every 100 ms, and a few times the longest latency
        for (const Fault& fault : scenario_.faults) allowed += fault.seconds;
        for (const auto& one : programs_) {
            const double took = std::chrono::duration<double>(one->ended() - last).count();
            if (took > allowed) violation("a goodbye took ", took, " s");
        }
    }

    void tell(Rank rank) {
        using State = Program::State;
        const State state = program(rank).state();
        std::string line = text("  rank ", rank, out_.count(rank) > 0 ? " is out, " : " ",
                                program(rank).hung()       ? "hangs"
                                : state == State::failed   ? "failed"
                                : state == State::finished ? "finished"
                                : state == State::closing  ? "is closing"
                                                           : "is running");
        if (state == State::failed || state == State::finished)
            line += text(" at ", std::chrono::duration<double>(program(rank).ended() - Time{}).count(), " s");
        report_.story += text(line, state == State::failed ? ": " : "", program(rank).error(), "\n");
    }

    void judge_rank(Rank rank, const std::vector<Expectation>& expected) {
        using State = Program::State;
        const Program& program = *programs_[at(rank)];
        if (!program.wrong().empty()) violation("rank ", rank, ": ", program.wrong());
        if (!settled(rank)) violation("rank ", rank, " waits for ever");
        if (out_.count(rank) > 0 || program.hung()) return;
        if (transport(rank).transfers_alive() > 0)
            violation("rank ", rank, " has ", transport(rank).transfers_alive(), " transfers left over");
        if (program.state() == State::failed)
            ++report_.failed;
        else if (program.state() == State::finished)
            ++report_.finished;
        if (program.state() == State::failed) judge_failure(rank, expected);
        judge_time(rank, expected);
    }

    void judge_failure(Rank rank, const std::vector<Expectation>& expected) {
        const auto& verdict = transport(rank).verdict();
        if (!verdict) return violation("rank ", rank, " failed without a verdict: ", programs_[at(rank)]->error());
        bool right = false;
        for (const Expectation& one : expected) {
            if (!one.may_fail) continue;
            // Who is cut off cannot know it: to itself, the others seem lost.
            const bool alone = one.culprits.count(rank) > 0;
            const bool named = alone || one.culprits.count(verdict->culprit) > 0;
            const bool said = alone || verdict->cause.find(one.words) != std::string::npos;
            right = right || (named && (said || expected.size() > 1));
        }
        if (!right) violation("rank ", rank, " blames rank ", verdict->culprit, ": ", verdict->cause);
    }

    // All have ended within what the faults together may take, counted from the last one.
    void judge_time(Rank rank, const std::vector<Expectation>& expected) {
        if (programs_[at(rank)]->state() != Program::State::failed) return;
        double allowed = 0.5;
        for (const Expectation& one : expected) allowed += one.seconds;
        Time last{};
        for (std::size_t i = 0; i < scenario_.faults.size(); ++i) {
            const Fault& fault = scenario_.faults[i];
            if (!struck_at_[i]) continue;
            last = std::max(last, *struck_at_[i]);
            // Who does not run cannot end, and who computes does not look.
            const bool late = fault.kind == FaultKind::stopped_and_gone_on && fault.victim == rank;
            if (late || fault.kind == FaultKind::slow) allowed += fault.seconds;
        }
        const double took = std::chrono::duration<double>(programs_[at(rank)]->ended() - last).count();
        if (took > allowed) violation("rank ", rank, " ended ", took, " s after the fault, and not within ", allowed);
    }

    const Scenario& scenario_;
    const Sums sums_;
    SimulatedCluster cluster_;
    std::vector<std::unique_ptr<Program>> programs_;
    std::vector<int> moments_;
    std::vector<std::optional<Time>> struck_at_;
    std::set<Rank> out_;  // killed, or stopped for good
    TrialReport report_;
};

}  // namespace

TrialReport run_trial(const Scenario& scenario) {
    return Trial(scenario).run();
}

}  // namespace simulation
