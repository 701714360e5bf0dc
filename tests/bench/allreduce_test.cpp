// SPDX-License-Identifier: Apache-2.0
// The measurement, with ranks as threads.
#include "firecaffe/bench/allreduce.hpp"

#include <exception>
#include <thread>

#include "catch.hpp"
#include "firecaffe/comm/transport/threads.hpp"
#include "firecaffe/core/error.hpp"
#include "firecaffe/reducer/background.hpp"

using namespace firecaffe;

namespace {

AllreduceOptions few(std::vector<std::size_t> counts) {
    AllreduceOptions options;
    options.counts = std::move(counts);
    options.iterations = 3;
    options.warm_up = 1;
    return options;
}

/// One report per rank; `listener_of` gives each rank its own. Rethrows the first error.
template <class ListenerOf>
std::vector<AllreduceReport> measure(int ranks, const ReducerRegistry& registry, const AllreduceOptions& options,
                                     const ListenerOf& listener_of) {
    auto transports = comm::make_thread_transports(ranks, {.deadline_seconds = 60});
    std::vector<AllreduceReport> reports(static_cast<std::size_t>(ranks));
    std::vector<std::exception_ptr> errors(reports.size());
    {
        std::vector<std::jthread> threads;
        for (std::size_t rank = 0; rank < reports.size(); ++rank)
            threads.emplace_back([&, rank] {
                try {
                    reports[rank] = bench_allreduce(registry, options, std::move(transports[rank]),
                                                    listener_of(static_cast<int>(rank)));
                } catch (...) {
                    errors[rank] = std::current_exception();
                }
            });
    }
    for (const auto& error : errors)
        if (error) std::rethrow_exception(error);
    return reports;
}

std::vector<AllreduceReport> measure(int ranks, const ReducerRegistry& registry, const AllreduceOptions& options) {
    return measure(ranks, registry, options, [](int) { return AllreduceListener{}; });
}

/// Sums as another reducer does, and then spoils one element on one rank.
class Spoiled final : public Reducer {
  public:
    explicit Spoiled(std::unique_ptr<Reducer> inner) : inner_(std::move(inner)) {}
    std::string_view name() const override { return "spoiled"; }
    int rank() const override { return inner_->rank(); }
    int size() const override { return inner_->size(); }
    bool canonical() const override { return false; }
    Ticket submit(const ReduceRequest& request) override {
        const Ticket ticket = inner_->submit(request);
        inner_->wait(ticket);
        auto* values = reinterpret_cast<float*>(request.partials[0]);
        if (rank() == size() - 1 && request.count > 1) values[request.count - 1] += 0.5f;
        return ticket;
    }
    void wait(Ticket ticket) override { inner_->wait(ticket); }
    void close() noexcept override { inner_->close(); }

  private:
    std::unique_ptr<Reducer> inner_;
};

/// The reducers that can be with so many ranks, and sum with a scheme of their own.
std::vector<std::string> possible_reducers(const ReducerRegistry& registry, int ranks) {
    std::vector<std::string> names;
    for (const std::string& name : registry.names()) {
        if (name == kStaleServer) continue;
        ReducerOptions options;
        options.type = name;
        try {
            registry.make(options, comm::make_thread_transports(ranks).front(), ranks);
            names.push_back(name);
        } catch (const ConfigError&) {
        }
    }
    return names;
}

}  // namespace

TEST_CASE("every reducer is measured and right, for any number of ranks and both types") {
    const ReducerRegistry registry;
    for (const int ranks : {1, 2, 3, 5}) {
        for (const DType dtype : {DType::float32, DType::float64}) {
            CAPTURE(ranks, dtype);
            AllreduceOptions options = few({1, 7, 70'001});
            options.dtype = dtype;
            options.reducers = possible_reducers(registry, ranks);
            REQUIRE(options.reducers.size() >= 2);
            const auto reports = measure(ranks, registry, options);
            const AllreduceReport& first = reports.front();
            CHECK(first.ranks == ranks);
            CHECK_FALSE(first.stopped);
            CHECK(first.wrong() == 0);
            REQUIRE(first.tables.size() == options.reducers.size());
            for (std::size_t t = 0; t < first.tables.size(); ++t) {
                const AllreduceTable& table = first.tables[t];
                CAPTURE(table.reducer);
                CHECK(table.reducer == options.reducers[t]);
                REQUIRE(table.rows.size() == 3);
                for (const AllreduceRow& row : table.rows) {
                    CHECK(row.bytes == row.count * size_of(dtype));
                    CHECK(row.iterations == 3);
                    REQUIRE(row.wire_bytes.size() == static_cast<std::size_t>(ranks));
                    const bool has_plan = ranks > 1 && table.reducer != "mpi" && table.reducer != "auto";
                    REQUIRE(row.predicted_seconds.has_value() == has_plan);
                    CHECK((!has_plan || *row.predicted_seconds > 0));
                    for (const AllreduceTimes& times : {row.out_of_place, row.in_place})
                        CHECK((times.least > 0 && times.least <= times.p50 && times.p50 <= times.p95));
                }
            }
            for (const AllreduceReport& other : reports)  // all ranks know all figures, to the bit
                CHECK(allreduce_json(options, other) == allreduce_json(options, first));
        }
    }
}

TEST_CASE("the model knows what threads need, roughly, and is not asked where it is not wanted") {
    AllreduceOptions options = few({1'000'000});
    options.reducers = {"tree"};
    options.iterations = 15;
    const AllreduceReport report = measure(2, ReducerRegistry(), options).front();
    const AllreduceRow& row = report.tables.front().rows.front();
    CHECK(report.network.link.alpha > 0);
    CHECK(report.network.link.beta > 0);
    CHECK(report.network.gamma > 0);
    // Two messages of 4 MB one after the other and an addition; on a busy machine anything may take long.
    CHECK(*row.predicted_seconds < 20 * row.in_place.p50);
    CHECK(row.in_place.p50 < 200 * *row.predicted_seconds);
    options.predict = false;
    const AllreduceReport silent = measure(2, ReducerRegistry(), options).front();
    CHECK_FALSE(silent.tables.front().rows.front().predicted_seconds.has_value());
    CHECK(silent.network.link.alpha == 0);
}

TEST_CASE("in a narrow type half of the bytes are sent, and sums of small whole numbers stay right") {
    AllreduceOptions options = few({1000, 50'000});
    options.reducer.wire = comm::WireType::bfloat16;
    options.reducers = {"tree", "direct"};
    const auto report = measure(2, ReducerRegistry(), options).front();
    CHECK(report.wrong() == 0);
    for (const AllreduceTable& table : report.tables) {
        CHECK_FALSE(table.canonical);
        for (const AllreduceRow& row : table.rows)
            CHECK(row.wire_bytes == std::vector<double>(2, static_cast<double>(row.bytes) / 2));
    }
}

TEST_CASE("without a transport a rank measures itself") {
    const AllreduceReport report = bench_allreduce(ReducerRegistry(), few({100}), nullptr);
    CHECK(report.ranks == 1);
    CHECK(report.tables.front().scheme == "local");
    CHECK(report.tables.front().rows.front().wire_bytes == std::vector<double>{0});
}

TEST_CASE("bytes on the wire are those of one sum") {
    AllreduceOptions options = few({1000, 50'000});
    options.reducers = {"tree", "auto"};  // which share the transport
    const auto report = measure(2, ReducerRegistry(), options).front();
    for (const AllreduceTable& table : report.tables)
        for (const AllreduceRow& row : table.rows)  // each of two ranks sends everything once; threads need no headers
            CHECK(row.wire_bytes == std::vector<double>(2, static_cast<double>(row.bytes)));
}

TEST_CASE("a wrong element is found and counted, whichever rank has it") {
    ReducerRegistry registry;
    registry.add("spoiled", [&](const ReducerOptions& options, std::shared_ptr<comm::Transport> transport, int shards) {
        ReducerOptions tree = options;
        tree.type = "auto";
        return std::make_unique<Spoiled>(ReducerRegistry().make(tree, std::move(transport), shards));
    });
    AllreduceOptions options = few({100});
    options.reducers = {"auto", "spoiled"};
    options.checks = 3;
    for (const AllreduceReport& report : measure(3, registry, options)) {
        CHECK(report.tables[0].wrong() == 0);
        CHECK(report.tables[1].rows.front().out_of_place.wrong == 3);
        CHECK(report.tables[1].rows.front().in_place.wrong == 3);
        CHECK(report.wrong() == 6);
    }
    options.checks = 0;
    CHECK(measure(2, registry, options).front().wrong() == 0);
}

TEST_CASE("ranks agree on how often they measure, and the time bounds it") {
    AllreduceOptions options = few({10});
    options.iterations = 0;
    options.seconds = 1e-9;
    const auto reports = measure(3, ReducerRegistry(), options);
    for (const AllreduceReport& report : reports) CHECK(report.tables.front().rows.front().iterations == 20);
    options.warm_up = 0;  // then nothing is known of the time
    options.seconds = 1000;
    CHECK(measure(2, ReducerRegistry(), options).front().tables.front().rows.front().iterations == 20);
}

TEST_CASE("who wishes to stop stops all of them after the same iteration") {
    const AllreduceOptions options = few({10, 20, 30});
    std::vector<int> asked(3);
    std::vector<std::size_t> told(3);
    const auto reports = measure(3, ReducerRegistry(), options, [&](int rank) {
        AllreduceListener listener;
        listener.stop_requested = [&asked, rank] {
            return ++asked[static_cast<std::size_t>(rank)] == 8 && rank == 1;  // a length takes 5 rounds
        };
        listener.measured = [&told, rank](const AllreduceTable& table) {
            told[static_cast<std::size_t>(rank)] = table.rows.size();
        };
        return listener;
    });
    for (const AllreduceReport& report : reports) {
        CHECK(report.stopped);
        CHECK(report.tables.front().rows.size() == 1);
    }
    CHECK(asked == std::vector<int>(3, 8));
    CHECK(told == std::vector<std::size_t>(3, 1));
}

TEST_CASE("a rank that fails is named by the others") {
    const auto fails = [&](int rank) {
        AllreduceListener listener;
        if (rank == 1) listener.stop_requested = []() -> bool { throw UsageError("no more patience"); };
        return listener;
    };
    CHECK_THROWS_WITH(measure(3, ReducerRegistry(), few({10}), fails),
                      Catch::Matchers::Contains("rank 1") && Catch::Matchers::Contains("no more patience"));
}

TEST_CASE("options that cannot be meant are refused") {
    const ReducerRegistry registry;
    const auto refuse = [&](const AllreduceOptions& options, const char* words) {
        CHECK_THROWS_WITH(bench_allreduce(registry, options, nullptr), Catch::Matchers::Contains(words));
    };
    refuse(few({}), "one or more");
    refuse(few({10, 0}), "1 element");
    AllreduceOptions options = few({10});
    options.reducers.clear();
    refuse(options, "name at least one");
    options.reducers = {"none"};
    refuse(options, "unknown reducer 'none'");
    options = few({10});
    options.dtype = DType::int32;
    refuse(options, "int32");
    options = few({10});
    options.warm_up = -1;
    refuse(options, "warm_up -1");
    options = few({10});
    options.seconds = 0;
    refuse(options, "seconds 0");
}
