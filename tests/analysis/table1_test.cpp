// SPDX-License-Identifier: Apache-2.0
// Table 1 of the FireCaffe paper (Iandola et al., arXiv 1511.00175) from the nets in examples/, at batch 1024.
#include "catch.hpp"

#include <iterator>
#include <string>

#include "firecaffe/analysis/costs.hpp"
#include "firecaffe/config/config.hpp"

using namespace firecaffe;

namespace {

struct Row {
    const char* file;
    Phase phase;                 ///< train: with GoogLeNet's auxiliary heads
    double data, weights, tera;  ///< as printed: MB, MB, 10^12 operations; zero: printed for the other phase
    std::int64_t exact_weights;  ///< filters alone
    double exact_data, exact_tera;
};

// |D| and the operations of GoogLeNet are those of the net without its heads, |W| that of the net with them.
const Row kRows[] = {
    {"nin_imagenet/net.json", Phase::train, 5800, 30, 6.7, 7'589'920, 5792.7, 6.760},
    {"alexnet/net_no_groups.json", Phase::train, 1680, 249, 7.0, 62'367'776, 1683.4, 6.952},
    {"googlenet/net.json", Phase::train, 0, 54, 0, 13'365'696, 19194.9, 9.775},
    {"googlenet/net.json", Phase::test, 19100, 0, 9.7, 6'990'272, 19101.6, 9.724},
    {"vgg19/net.json", Phase::train, 42700, 575, 120, 143'652'544, 42679.1, 120.62},
};

Analysis analyzed(const Row& row, CountingRule rule) {
    const Model model = load_model({std::string(FIRECAFFE_SOURCE_DIR "/examples/") + row.file, {}, {}});
    return analyze(model.net, {.data = Shape{1024, 3, 224, 224}, .phase = row.phase, .rule = rule},
                   LayerRegistry<float, Cpu>::with_builtin());
}

/// As printed: within one percent, or within what is lost by printing whole numbers.
void check_printed(double value, double printed, double last_digit) {
    if (printed != 0) CHECK(value == Approx(printed).epsilon(0.01).margin(last_digit / 2));
}

}  // namespace

TEST_CASE("Table 1 of the paper") {
    for (const Row& row : kRows) {
        INFO(row.file << ' ' << phase_name(row.phase));
        const Analysis a = analyzed(row, CountingRule::paper);
        const double data = static_cast<double>(a.total.data_bytes) / 1e6;
        const double weights = static_cast<double>(a.total.parameter_bytes()) / 1e6;
        const double tera = static_cast<double>(a.total.work.forward + a.total.work.backward) / 1e12;
        check_printed(data, row.data, 10);
        check_printed(weights, row.weights, 1);
        check_printed(tera, row.tera, 0.1);
        CHECK(a.total.parameters == row.exact_weights);
        CHECK(data == Approx(row.exact_data).margin(0.05));
        CHECK(tera == Approx(row.exact_tera).epsilon(1e-4));
    }
}

TEST_CASE("the stand-in for the table's speech network") {
    const Model model = load_model({FIRECAFFE_SOURCE_DIR "/examples/speech/net.json", {}, {}});
    const Analysis a = analyze(model.net, {.data = Shape{1024, 2048, 1, 1}, .rule = CountingRule::paper},
                               LayerRegistry<float, Cpu>::with_builtin());
    CHECK(a.total.parameters == 9 * 2048 * 2048);
    CHECK(a.total.data_bytes == std::int64_t{9} * 2048 * 1024 * 4);
    CHECK(static_cast<double>(a.total.work.forward + a.total.work.backward) / 1e12 == Approx(0.232).epsilon(2e-3));
}

TEST_CASE("our rule finds every blob, every bias, and no gradient of the images") {
    const double blobs[] = {7505, 5070, 27479, 0, 67140};  // MB, without the images
    for (std::size_t i = 0; i < std::size(kRows); ++i) {
        if (blobs[i] == 0) continue;
        INFO(kRows[i].file);
        const Analysis ours = analyzed(kRows[i], CountingRule::ours), paper = analyzed(kRows[i], CountingRule::paper);
        CHECK(static_cast<double>(ours.total.data_bytes - ours.layers[0].data_bytes) / 1e6 ==
              Approx(blobs[i]).margin(0.6));
        CHECK(ours.total.parameters > paper.total.parameters);
        CHECK(ours.total.work.macs == paper.total.work.macs);
        const std::int64_t multiplied = 6 * ours.total.work.macs - 2 * ours.layers[1].work.macs;
        const std::int64_t all = ours.total.work.forward + ours.total.work.backward;
        CHECK(all > multiplied);
        CHECK(all < multiplied + multiplied / 50);
        if (i == 0) CHECK(static_cast<double>(multiplied) / 1e12 == Approx(6.551).epsilon(1e-4));
    }
}
