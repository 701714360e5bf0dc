// SPDX-License-Identifier: Apache-2.0
// What is read, printed, overridden and compared.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "catch.hpp"
#include "config/base.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/core/error.hpp"

using namespace firecaffe;

namespace {

TrainOptions base(const std::vector<std::string>& overrides = {}) {
    return parse_config(kBase, "c.json", overrides);
}

std::string override_error(const std::string& assignment) {
    try {
        base({assignment});
    } catch (const Error& error) {
        return error.what();
    }
    return "accepted";
}

std::string load_error(const std::string& path, const std::vector<std::string>& overrides = {}) {
    try {
        load_config({path, overrides, {}});
    } catch (const MissingInputError& error) {
        return std::string("missing: ") + error.what();
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "accepted";
}

/// A folder that is gone after the test.
class Folder {
  public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "firecaffe-config-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) throw IoError("no temporary folder");
        path_ = pattern;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string write(const std::string& name, std::string_view text) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << text;
        return (path_ / name).string();
    }
    std::string at(const std::string& name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

}  // namespace

TEST_CASE("values arrive in the structs, and defaults stay") {
    const TrainOptions options = base();
    CHECK(options.name == "small");
    CHECK(options.data.train.type == DatasetOptions::Type::synthetic);
    CHECK(options.data.train.shape == std::vector<std::int64_t>{1, 28, 28});
    CHECK(options.data.test.images == "t.idx");
    CHECK(options.data.transform.mean_value == std::vector<double>{72.9});
    CHECK(options.data.transform.mirror);
    CHECK(options.solver.base_lr == 0.1);
    CHECK(options.solver.weight_decay == 1e-4);
    CHECK(options.solver.lr_policy.type == LrPolicyOptions::Type::poly);
    CHECK(options.solver.lr_policy.power == 0.5);
    CHECK(options.solver.shards == 8);
    CHECK(options.solver.display == SolverOptions{}.display);
    CHECK(options.reducer.type == "tree");
    CHECK(options.reducer.stall_seconds == 120.0);
    CHECK(options.output.directory == "out");

    REQUIRE(options.net.layers.size() == 7);
    const auto& convolution = std::get<ConvolutionOptions>(options.net.layers[0].options);
    CHECK(convolution.num_output == 8);
    CHECK(convolution.group == 2);
    CHECK(convolution.pad_h == -1);
    CHECK(convolution.bias_term);
    CHECK(std::get<PoolingOptions>(options.net.layers[1].options).pool == ops::PoolMethod::max);
    const auto& product = std::get<InnerProductOptions>(options.net.layers[4].options);
    CHECK(product.weight_filler.type == FillerOptions::Type::gaussian);
    CHECK(product.weight_filler.std == 0.05);
    CHECK(product.bias_filler.type == FillerOptions::Type::constant);
    CHECK(options.net.layers[5].in_train);
    CHECK(options.net.layers[5].in_test);
    CHECK_FALSE(options.net.layers[6].in_train);
}

TEST_CASE("missing bottoms and tops follow the flow of layers") {
    using Names = std::vector<std::string>;
    const NetSpec net = parse_net(R"({"layers": [
        {"name": "a", "type": "ReLU"},
        {"name": "b", "type": "ReLU", "bottom": "a", "top": "a"},
        {"name": "c", "type": "Dropout", "top": ["d"]},
        {"name": "top1", "type": "Accuracy"},
        {"name": "loss1", "type": "SoftmaxWithLoss"},
        {"name": "e", "type": "ReLU"},
        {"name": "f", "type": "Concat", "bottom": ["a", "d", "e"]},
        {"name": "loss2", "type": "SoftmaxWithLoss", "bottom": ["f", "label"]}]})");
    CHECK(net.layers[0].bottom == Names{"data"});
    CHECK(net.layers[0].top == Names{"a"});
    CHECK(net.layers[1].bottom == Names{"a"});
    CHECK(net.layers[1].top == Names{"a"});
    CHECK(net.layers[2].bottom == Names{"a"});
    CHECK(net.layers[2].top == Names{"d"});
    CHECK(net.layers[3].bottom == Names{"d", "label"});
    CHECK(net.layers[4].bottom == Names{"d", "label"});
    CHECK(net.layers[5].bottom == Names{"d"});
    CHECK(net.layers[6].bottom == Names{"a", "d", "e"});
    CHECK(net.layers[7].bottom == Names{"f", "label"});
}

TEST_CASE("words in any case, Caffe's words, short forms") {
    const NetSpec net = parse_net(R"({"layers": [
        {"name": "p", "type": "Pooling", "pool": "AVE", "global_pooling": true, "round_mode": "FLOOR"},
        {"name": "f", "type": "InnerProduct", "num_output": 3, "weight_filler": "Xavier", "phase": "TRAIN",
         "bias_filler": {"type": "msra", "variance_norm": "FAN_OUT"}}]})");
    CHECK(std::get<PoolingOptions>(net.layers[0].options).pool == ops::PoolMethod::average);
    CHECK(std::get<PoolingOptions>(net.layers[0].options).round_mode == ops::RoundMode::floor);
    const auto& product = std::get<InnerProductOptions>(net.layers[1].options);
    CHECK(product.weight_filler.type == FillerOptions::Type::xavier);
    CHECK(product.bias_filler.variance_norm == FillerOptions::VarianceNorm::fan_out);
    CHECK_FALSE(net.layers[1].in_test);
    CHECK(base({"solver.lr_policy=fixed"}).solver.lr_policy.type == LrPolicyOptions::Type::fixed);
    CHECK(base({"solver.max_iter=1e3"}).solver.max_iter == 1000);
    CHECK(base().compute.loss_scale == kDynamicLossScale);
    CHECK(base({"compute.precision=float16", "compute.loss_scale=512"}).compute.loss_scale == 512.0);
    CHECK(base({"compute.loss_scale=Dynamic"}).compute.loss_scale == kDynamicLossScale);
    CHECK(base({"solver.random_seed=18446744073709551615"}).solver.random_seed == ~std::uint64_t{0});
}

TEST_CASE("losses, deconvolution and norm_region in Caffe's words") {
    const NetSpec net = parse_net(R"({"layers": [
        {"name": "up", "type": "Deconvolution", "num_output": 2, "kernel_size": 4, "weight_filler": "bilinear"},
        {"name": "norm", "type": "LRN", "norm_region": "WITHIN_CHANNEL"},
        {"name": "hinge", "type": "HingeLoss", "norm": "L2", "loss_weight": 0.5},
        {"name": "cross", "type": "SigmoidCrossEntropyLoss"},
        {"name": "gain", "type": "InfogainLoss", "infogain_matrix": [1, 0, 0.5, 2], "normalization": "FULL"},
        {"name": "far", "type": "EuclideanLoss", "bottom": ["up", "norm"]}]})");
    const auto& up = std::get<DeconvolutionOptions>(net.layers[0].options);
    CHECK(up.num_output == 2);
    CHECK(up.weight_filler.type == FillerOptions::Type::bilinear);
    CHECK(std::get<LrnOptions>(net.layers[1].options).norm_region == ops::NormRegion::within_channel);
    CHECK(std::get<HingeLossOptions>(net.layers[2].options).norm == ops::HingeNorm::l2);
    CHECK(std::get<HingeLossOptions>(net.layers[2].options).loss_weight == 0.5);
    CHECK(std::get<SigmoidCrossEntropyLossOptions>(net.layers[3].options).normalization ==
          LossNormalization::batch_size);
    const auto& gain = std::get<InfogainLossOptions>(net.layers[4].options);
    CHECK(gain.infogain_matrix == std::vector<double>{1, 0, 0.5, 2});
    CHECK(gain.normalization == LossNormalization::full);
    for (std::size_t i = 2; i < 5; ++i) CHECK(net.layers[i].bottom == std::vector<std::string>{"norm", "label"});
}

TEST_CASE("layer types of the user's own take all scalar keys") {
    const std::string text = R"({"layers": [{"name": "x", "type": "Mine", "gain": 2, "mode": "fast", "on": true,
                                             "bottom": [], "param": [{}, {}, {}]}]})";
    CHECK_THROWS_AS(parse_net(text), ConfigError);
    const NetSpec net = parse_net(text, "n.json", {"Mine"});
    const auto& options = std::get<CustomLayerOptions>(net.layers[0].options);
    CHECK(options.numbers == std::map<std::string, double>{{"gain", 2.0}, {"on", 1.0}});
    CHECK(options.strings == std::map<std::string, std::string>{{"mode", "fast"}});
    CHECK(net.layers[0].bottom.empty());
    CHECK(net.layers[0].param.size() == 3);
    CHECK_THROWS_AS(parse_net(R"({"layers": [{"name": "x", "type": "Mine", "gain": [2]}]})", "n.json", {"Mine"}),
                    ConfigError);

    TrainOptions options_with_net = base();
    options_with_net.net = net;
    const std::string printed = print_config(options_with_net);
    CHECK(print_config(parse_config(printed, "c.json", {}, {"Mine"})) == printed);
}

TEST_CASE("overrides") {
    const TrainOptions options =
        base({"solver.base_lr=0.2", "net.layers.0.num_output=6", "name=other", "output.directory=a=b",
              "solver.lr_policy={\"type\":\"step\",\"stepsize\":5}", "solver.lr_policy.stepsize=7",
              "data.transform.mean_value=[1,2]", "data.transform.mean_value.1=3", "reducer.overlap=false"});
    CHECK(options.solver.base_lr == 0.2);
    CHECK(std::get<ConvolutionOptions>(options.net.layers[0].options).num_output == 6);
    CHECK(options.name == "other");
    CHECK(options.output.directory == "a=b");
    CHECK(options.solver.lr_policy.stepsize == 7);
    CHECK(options.data.transform.mean_value == std::vector<double>{1, 3});
    CHECK_FALSE(options.reducer.overlap);
}

TEST_CASE("errors of overrides name the override") {
    const auto check = [](const std::string& assignment, const std::string& message) {
        CHECK(override_error(assignment) == "--set " + assignment + ": " + message);
    };
    check("solver.base_ir=1", "/solver/base_ir: unknown key 'base_ir'; did you mean 'base_lr'?");
    check("solver.base_lr=fast", "/solver/base_lr: expected a number, found \"fast\"");
    check("solver.shards=7", "/solver/shards: shards 7 does not divide global_batch 64");
    check("solvers.x.y=1", "/solvers: unknown key 'solvers'; did you mean 'solver'?");
    check("net.layers.7.name=x", "/net/layers is an array of 7; '7' is no index of it (0 is the first)");
    check("net.layers.-1.name=x", "/net/layers is an array of 7; '-1' is no index of it (0 is the first)");
    check("net.layers.00.name=x", "/net/layers is an array of 7; '00' is no index of it (0 is the first)");
    check("net.layers.0.num_output=", "/net/layers/0/num_output: expected an integer, found \"\"");
    check("name.x=1", "/name is \"small\" and has no 'x' inside; set the whole of it");
    check("solver.base_lr", "no '='; write solver.base_lr=0.1");
    check("=1", "the path has an empty part; write solver.base_lr=0.1");
    check("solver..base_lr=1", "the path has an empty part; write solver.base_lr=0.1");
    check("solver.base_lr.=1", "the path has an empty part; write solver.base_lr=0.1");
    check("name=\xff", "the value is not UTF-8");
    CHECK(override_error("solver={\"a\":1").starts_with("--set solver={\"a\":1: value:1:7: /: syntax error"));
    CHECK(override_error("solver={\"a\":1,\"a\":2}").find("duplicate key 'a'") != std::string::npos);
    std::string deep = "a";
    for (int i = 0; i < 200; ++i) deep += ".a";
    CHECK(override_error(deep + "=1").find("deeper than 64 levels") != std::string::npos);
    const std::string long_name(1000, 'x');
    CHECK(override_error(long_name + "=1\n2").find('\n') == std::string::npos);
}

TEST_CASE("files: the net's own file, relative paths, what is not there") {
    const Folder folder;
    const std::string config = folder.write("run/c.json", R"({
  "data": {"train": {"images": "../data/i.gz", "labels": "/l.gz"}},
  "net": "nets/n.json",
  "solver": {"base_lr": 0.1, "max_iter": 1, "global_batch": 2},
  "output": {"directory": "out"}
})");
    CHECK(load_error(config).starts_with("missing: " + config + ":3:10: /net: cannot open '"));
    folder.write("run/nets/n.json", R"({"$schema": "x", "layers": [{"name": "a", "type": "ReLU"}]})");
    const TrainOptions options = load_config({config, {}, {}});
    CHECK(options.net.layers.size() == 1);
    CHECK(options.data.train.images == folder.at("run/../data/i.gz"));
    CHECK(options.data.train.labels == "/l.gz");
    CHECK(options.data.test.images.empty());
    const TrainOptions listed = load_config(
        {config, {R"(data.test={"type": "image_folder", "root": "photos", "list": "../l.txt", "warp": 8})"}, {}});
    CHECK(listed.data.test.root == folder.at("run/photos"));
    CHECK(listed.data.test.list == folder.at("run/../l.txt"));
    CHECK(listed.data.test.warp == 8);
    CHECK(options.output.directory == "out");
    const TrainOptions overridden = load_config({config, {"net.layers.0.negative_slope=0.5"}, {}});
    CHECK(std::get<ReluOptions>(overridden.net.layers[0].options).negative_slope == 0.5);

    const std::string net = folder.at("run/nets/n.json");
    CHECK(load_error(config, {"net.layers.0.slope=1"}).starts_with("--set net.layers.0.slope=1: /net/layers/0/slope"));
    folder.write("run/nets/n.json", "{\"layers\": [{\"name\": \"a\",\n \"type\": \"Relu\"}]}");
    CHECK(load_error(config).starts_with(net + ":2:10: /layers/0/type: unknown layer type 'Relu'"));
    folder.write("run/nets/n.json", "{\"layers\": [],}");
    CHECK(load_error(config).starts_with(net + ":1:15: /: syntax error"));
    folder.write("run/nets/n.json", "\"n.json\"");
    CHECK(load_error(config) == net + ":1:1: /: expected an object, found \"n.json\"");
    folder.write("run/nets/n.json", "{}");
    CHECK(load_error(config).starts_with(net + ":1:1: /: missing key 'layers'"));
    CHECK(load_error(config, {"net=other.json"}).starts_with("missing: --set net=other.json: /net: cannot open"));
    CHECK(load_error(config, {"net.layers=[{\"name\":\"a\",\"type\":\"ReLU\"}]"}) == "accepted");

    CHECK(load_error(folder.at("none.json")).starts_with("missing: cannot open '"));
    CHECK(load_error(folder.at("run")).find("is a directory") != std::string::npos);
    const std::string large = folder.write("large.json", std::string(std::size_t{1} << 21, ' '));
    CHECK(load_error(large).find("larger than 1048576 bytes") != std::string::npos);
}

TEST_CASE("every layer knows where it is stated") {
    const std::vector<LayerSpec> inside = base({"net.layers.0.group=1",
                                                "net.layers.4={\"name\":\"fc\",\"type\":"
                                                "\"ReLU\"}"})
                                              .net.layers;
    REQUIRE(inside.size() == 7);
    CHECK(inside[0].origin == "c.json:12:7: /net/layers/0");  // one of its keys was set; the layer stands in the file
    CHECK(inside[1].origin == "c.json:13:7: /net/layers/1");
    CHECK(inside[4].origin == "--set net.layers.4={\"name\":\"fc\",\"type\":\"ReLU\"}: /net/layers/4");
    CHECK(inside[6].origin == "c.json:18:7: /net/layers/6");

    const NetSpec alone = parse_net(
        "// a comment with [1, 2]\n{\"name\": \"x\", \"layers\": [ // first\n"
        "  {\"name\": \"a\", \"type\": \"ReLU\", \"bottom\": [\"data\"]}, {\"name\": \"b\", \"type\": \"ReLU\"},\n"
        "\t{\"type\": \"ReLU\", \"name\": \"c\"}]}",
        "n.json");
    REQUIRE(alone.layers.size() == 3);
    CHECK(alone.layers[0].origin == "n.json:3:3: /layers/0");
    CHECK(alone.layers[1].origin == "n.json:3:54: /layers/1");
    CHECK(alone.layers[2].origin == "n.json:4:2: /layers/2");

    const Folder folder;
    const std::string config = folder.write("c.json", R"({
  "data": {"train": {"type": "synthetic", "shape": [1, 2, 3]}}, "net": "n.json",
  "solver": {"base_lr": 0.1, "max_iter": 1, "global_batch": 2}
})");
    const std::string net = folder.write("n.json", "{\n\"layers\": [{\"name\": \"a\", \"type\": \"ReLU\"}]}");
    CHECK(load_config({config, {}, {}}).net.layers[0].origin == net + ":2:12: /layers/0");
    const std::string whole = R"(net.layers=[{"name":"a","type":"ReLU"},{"name":"b","type":"ReLU"}])";
    const TrainOptions set = load_config({config, {whole}, {}});
    REQUIRE(set.net.layers.size() == 2);
    CHECK(set.net.layers[1].origin == "--set " + whole + ": /net/layers/1");
}

TEST_CASE("printing is complete, canonical and read back as the same") {
    const std::string printed = print_config(base());
    CHECK(print_config(parse_config(printed)) == printed);
    CHECK(printed.find("\"stall_seconds\": 120.0") != printed.npos);
    CHECK(printed.find("\"base_lr\": 0.1,") != printed.npos);
    CHECK(printed.find("//") == printed.npos);

    TrainOptions odd = base({"solver.random_seed=18446744073709551615"});
    odd.solver.base_lr = 0.1 + 0.2;
    odd.solver.weight_decay = std::numeric_limits<double>::denorm_min();
    odd.name = "quote \" backslash \\ ä";
    const TrainOptions again = parse_config(print_config(odd));
    CHECK(again.solver.base_lr == odd.solver.base_lr);
    CHECK(again.solver.weight_decay == odd.solver.weight_decay);
    CHECK(again.solver.random_seed == odd.solver.random_seed);
    CHECK(again.name == odd.name);
}

TEST_CASE("options that no file can state are refused when printing") {
    TrainOptions options = base();
    options.solver.base_lr = std::numeric_limits<double>::infinity();
    CHECK_THROWS_AS(print_config(options), ConfigError);
    options = base();
    options.data.transform.mean_value = {std::numeric_limits<double>::quiet_NaN()};
    CHECK_THROWS_AS(print_config(options), ConfigError);
    options = base();
    options.net.layers[0].options = ReluOptions{};
    CHECK_THROWS_AS(print_config(options), ConfigError);
    options = base();
    options.net.layers[0].in_train = options.net.layers[0].in_test = false;
    CHECK_THROWS_AS(print_config(options), ConfigError);
    options = base();
    options.name = "\xff";
    CHECK_THROWS_AS(print_config(options), ConfigError);
    options = base();
    options.net.layers[0].type = "Mine";
    options.net.layers[0].options = CustomLayerOptions{{{"name", 1.0}}, {}};
    CHECK_THROWS_AS(print_config(options), ConfigError);
}

TEST_CASE("the shared part leaves out what may differ, and differences are explained") {
    const std::string shared = shared_config(base());
    CHECK(shared == shared_config(base({"compute.threads=4", "compute.device=cuda", "compute.plan_cache=here",
                                        "output.directory=elsewhere", "data.threads=3", "data.prefetch=9"})));
    CHECK(explain_difference(shared, shared).empty());
    const auto difference = [&](const std::string& override) {
        return explain_difference(shared, shared_config(base({override})));
    };
    CHECK(difference("solver.base_lr=0.2") == "/solver/base_lr: 0.1 here, 0.2 there");
    CHECK(difference("net.layers.0.num_output=6") == "/net/layers/0/num_output: 8 here, 6 there");
    CHECK(difference("reducer.type=local") == "/reducer/type: \"tree\" here, \"local\" there");
    CHECK(difference("compute.precision=float16") == "/compute/precision: \"float32\" here, \"float16\" there");
    CHECK(explain_difference(shared_config(base({"compute.precision=float16"})),
                             shared_config(base({"compute.precision=float16", "compute.loss_scale=1024"}))) ==
          "/compute/loss_scale: \"dynamic\" here, 1024.0 there");
    CHECK(difference("data.transform.mean_value=[1,2]") == "/data/transform/mean_value/0: 72.9 here, 1.0 there");
    CHECK(difference("data.transform.mean_value=[72.9,2]") ==
          "/data/transform/mean_value: an array of 1 here, an array of 2 there");
    CHECK(explain_difference("{\"a\": 1}", "{}") == "/a: 1 here, nothing there");
    CHECK(explain_difference("{}", "{\"a\": 1}") == "/a: nothing here, 1 there");
    CHECK_THROWS_AS(explain_difference("{}", "nonsense"), ConfigError);
}
