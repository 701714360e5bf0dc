// SPDX-License-Identifier: Apache-2.0
// MPI's allreduce, measured as `firecaffe bench allreduce` measures ours: a barrier, one sum, the time of the slowest
// rank; both ways take turns. Rank 0 prints JSON with the same keys.
//
//   mpicxx -std=c++20 -O2 bench/peers/mpi_allreduce.cpp -o mpi_allreduce
//   mpirun -n 2 ./mpi_allreduce SECONDS BYTES...      so long for each size, but 20 iterations at least
#define OMPI_SKIP_MPICXX 1  // the C interface is enough, and all that MPI still has
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

namespace {

constexpr int kWarmUp = 5, kFewest = 20, kMost = 10'000;

int rank = 0, ranks = 1;

/// Whole numbers, so that every order of adding gives the same sum.
float value(std::size_t i, int of_rank) {
    return static_cast<float>(1 + (i + 3 * static_cast<std::size_t>(of_rank)) % 7);
}

long long wrong_elements(const std::vector<float>& sums) {
    float expected[7] = {};
    for (std::size_t i = 0; i < 7; ++i)
        for (int r = 0; r < ranks; ++r) expected[i] += value(i, r);
    long long wrong = 0, all = 0;
    for (std::size_t i = 0; i < sums.size(); ++i) wrong += !(sums[i] == expected[i % 7]);
    MPI_Allreduce(&wrong, &all, 1, MPI_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
    return all;
}

struct Way {
    const char* name;
    bool in_place;
    std::vector<double> seconds{};
    long long wrong = 0;
};

/// One sum behind a barrier; the seconds of the slowest rank.
double sum_once(bool in_place, const std::vector<float>& input, std::vector<float>& work) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    MPI_Allreduce(in_place ? MPI_IN_PLACE : input.data(), work.data(), static_cast<int>(work.size()), MPI_FLOAT,
                  MPI_SUM, MPI_COMM_WORLD);
    const double mine = MPI_Wtime() - start;
    double slowest = 0;
    MPI_Allreduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return slowest;
}

std::string json(Way& way, std::size_t bytes) {
    std::sort(way.seconds.begin(), way.seconds.end());
    const std::size_t n = way.seconds.size();
    const double mean = std::accumulate(way.seconds.begin(), way.seconds.end(), 0.0) / static_cast<double>(n);
    const double bandwidth = 1e-9 * static_cast<double>(bytes) / mean;
    char text[400];
    std::snprintf(text, sizeof text,
                  "\"%s\": {\"time\": %.3f, \"alg_bw\": %.4f, \"bus_bw\": %.4f, \"nwrong\": %lld, \"p50_us\": %.3f, "
                  "\"p95_us\": %.3f, \"min_us\": %.3f}",
                  way.name, 1e6 * mean, bandwidth, bandwidth * 2 * (ranks - 1) / ranks, way.wrong,
                  1e6 * way.seconds[(n * 50 + 99) / 100 - 1], 1e6 * way.seconds[(n * 95 + 99) / 100 - 1],
                  1e6 * way.seconds.front());
    return text;
}

std::string measure(std::size_t bytes, double seconds) {
    std::vector<float> input(bytes / sizeof(float)), work(input.size());
    for (std::size_t i = 0; i < input.size(); ++i) input[i] = value(i, rank);
    Way ways[] = {{"out_of_place", false}, {"in_place", true}};
    double slowest = 0;
    for (int i = 0; i < kWarmUp; ++i)
        for (const Way& way : ways) slowest = std::max(i > 0 ? slowest : 0, sum_once(way.in_place, input, work));
    int iterations = static_cast<int>(std::clamp<double>(seconds / slowest, kFewest, kMost));
    MPI_Bcast(&iterations, 1, MPI_INT, 0, MPI_COMM_WORLD);
    for (int i = 0; i < iterations; ++i) {
        for (Way& way : ways) way.seconds.push_back(sum_once(way.in_place, input, work));
    }
    for (Way& way : ways) {
        work = input;
        sum_once(way.in_place, input, work);
        way.wrong = wrong_elements(work);
    }
    char head[160];
    std::snprintf(
        head, sizeof head,
        "{\"size\": %zu, \"count\": %zu, \"type\": \"float\", \"redop\": \"sum\", \"root\": -1, \"iters\": %d, ",
        input.size() * sizeof(float), input.size(), iterations);
    return head + json(ways[0], bytes) + ", " + json(ways[1], bytes) + "}";
}

}  // namespace

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const double seconds = argc > 1 ? std::atof(argv[1]) : 0;
    if (argc < 3 || !(seconds > 0)) {
        if (rank == 0) std::fprintf(stderr, "usage: mpi_allreduce SECONDS BYTES...\n");
        MPI_Finalize();
        return 2;
    }
    std::string results;
    for (int i = 2; i < argc; ++i) {
        const long long bytes = std::atoll(argv[i]);
        if (bytes < static_cast<long long>(sizeof(float))) {
            if (rank == 0) std::fprintf(stderr, "mpi_allreduce: %s is no number of bytes from 4 on\n", argv[i]);
            MPI_Finalize();
            return 2;
        }
        results += (i > 2 ? ", " : "") + measure(static_cast<std::size_t>(bytes), seconds);
    }
    if (rank == 0) std::printf("{\"ranks\": %d, \"results\": [%s]}\n", ranks, results.c_str());
    MPI_Finalize();
    return 0;
}
