// SPDX-License-Identifier: Apache-2.0
// The nets in examples, held against what is known of them: how many values they learn, and how large the last maps are
// (which tells the rounding of each convolution and pooling before). Where the numbers come from: docs/papers.md.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "catch.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/net/net.hpp"

using namespace firecaffe;

namespace {

struct Known {
    std::string file;                  ///< below examples
    Shape image;                       ///< C, H, W
    std::size_t in_training, in_test;  ///< learned values
    std::string layer;                 ///< the last one that still has maps of some size
    Shape map;                         ///< what it writes
};

const std::vector<Known> kKnown{
    {"alexnet/net.json", {3, 227, 227}, 60'965'224, 60'965'224, "pool5", {1, 256, 6, 6}},
    {"alexnet/net_no_groups.json", {3, 227, 227}, 62'378'344, 62'378'344, "pool5", {1, 256, 6, 6}},
    {"cifar10_full/net.json", {3, 32, 32}, 89'578, 89'578, "pool3", {1, 64, 4, 4}},
    {"cifar10_quick/net.json", {3, 32, 32}, 145'578, 145'578, "pool3", {1, 64, 4, 4}},
    {"googlenet/net.json", {3, 224, 224}, 13'378'280, 6'998'552, "inception_5b/output", {1, 1024, 7, 7}},
    {"lenet/net.json", {1, 28, 28}, 431'080, 431'080, "pool2", {1, 50, 4, 4}},
    {"nin/net.json", {1, 28, 28}, 154'186, 154'186, "cccp6", {1, 10, 7, 7}},
    {"nin/net_bn.json", {1, 28, 28}, 121'642, 121'642, "cccp6", {1, 10, 7, 7}},
    {"nin_cifar10/net.json", {3, 32, 32}, 966'986, 966'986, "cccp6", {1, 10, 8, 8}},
    {"nin_imagenet/net.json", {3, 224, 224}, 7'595'176, 7'595'176, "cccp8-1024", {1, 1000, 6, 6}},
    {"resnet18/net.json", {3, 224, 224}, 11'689'512, 11'689'512, "res5b", {1, 512, 7, 7}},
    {"resnet50/net.json", {3, 224, 224}, 25'557'032, 25'557'032, "res5c", {1, 2048, 7, 7}},
    {"speech/net.json", {2048, 1, 1}, 37'767'168, 37'767'168, "ip9", {1, 2048}},
    {"squeezenet/net.json", {3, 227, 227}, 1'235'496, 1'235'496, "conv10", {1, 1000, 14, 14}},
    {"vgg19/net.json", {3, 224, 224}, 143'667'240, 143'667'240, "pool5", {1, 512, 7, 7}},
};

const std::filesystem::path kExamples = std::filesystem::path(FIRECAFFE_SOURCE_DIR) / "examples";

NetSpec read_net(const std::string& file) {
    std::ifstream in(kExamples / file, std::ios::binary);
    REQUIRE(in);
    return parse_net(std::string(std::istreambuf_iterator<char>(in), {}), file);
}

Shape written_by(const std::string& name, const std::vector<LayerSummary>& layers) {
    const auto found = std::find_if(layers.begin(), layers.end(), [&](const auto& l) { return l.name == name; });
    REQUIRE(found != layers.end());
    return found->tops.front().shape;
}

}  // namespace

TEST_CASE("the nets in examples have the parameters and the maps that are known of them") {
    const auto registry = LayerRegistry<float, Cpu>::with_builtin();
    for (const Known& known : kKnown) {
        INFO(known.file);
        const NetSpec spec = read_net(known.file);
        NetOptions options;
        options.data = Shape{1, known.image[0], known.image[1], known.image[2]};
        options.allocate = false;
        for (const Phase phase : {Phase::train, Phase::test}) {
            INFO((phase == Phase::train ? "train" : "test"));
            options.phase = phase;
            const Net<float, Cpu> net(spec, options, registry);
            CHECK(net.layout().parameter_count() == (phase == Phase::train ? known.in_training : known.in_test));
            CHECK(written_by(known.layer, net.summary()) == known.map);
        }
    }
}

TEST_CASE("of every net in examples it is known how many parameters it has") {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kExamples)) {
        const std::string name = entry.path().filename().string();
        if (name.rfind("net", 0) != 0 || entry.path().extension() != ".json") continue;
        const std::string file = std::filesystem::relative(entry.path(), kExamples).string();
        INFO(file << " has no row in kKnown");
        CHECK(std::any_of(kKnown.begin(), kKnown.end(), [&](const Known& known) { return known.file == file; }));
    }
}
