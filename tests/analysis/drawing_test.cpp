// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <algorithm>
#include <string>

#include "firecaffe/analysis/drawing.hpp"
#include "firecaffe/config/config.hpp"
#include "firecaffe/net/builder.hpp"

using namespace firecaffe;

namespace {

Drawing drawn(const NetSpec& spec, Shape data = {1, 3, 224, 224}, Phase phase = Phase::train) {
    return draw_net(spec, {.data = data, .phase = phase}, LayerRegistry<float, Cpu>::with_builtin());
}

NetSpec example(const char* file) {
    return load_model({std::string(FIRECAFFE_SOURCE_DIR "/examples/") + file, {}, {}}).net;
}

/// Two branches of unlike length, and a shortcut past both.
NetSpec branches() {
    return NetBuilder("branches & \"more\"")
        .convolution("stem", {.num_output = 8, .kernel_size = 3, .pad = 1})
        .relu()
        .convolution("left", {.num_output = 4, .kernel_size = 1})
        .from("stem")
        .convolution("right_reduce", {.num_output = 4, .kernel_size = 1})
        .relu()
        .convolution("right", {.num_output = 8, .kernel_size = 3, .pad = 1})
        .concat("join", {"left", "right", "stem"})
        .inner_product("scores", {.num_output = 10})
        .dropout()
        .softmax_with_loss()
        .build();
}

bool overlap(const DrawnBox& a, const DrawnBox& b) {
    return a.corner.x < b.corner.x + b.width && b.corner.x < a.corner.x + a.width &&
           a.corner.y < b.corner.y + b.height && b.corner.y < a.corner.y + a.height;
}

bool inside(const DrawnPoint& p, const DrawnBox& box) {
    const double hair = 0.01;  // to touch the edge of a box is not to cross it
    return p.x > box.corner.x + hair && p.x < box.corner.x + box.width - hair && p.y > box.corner.y + hair &&
           p.y < box.corner.y + box.height - hair;
}

/// Points along the edge, as the picture draws it.
std::vector<DrawnPoint> along(const DrawnEdge& edge) {
    std::vector<DrawnPoint> points;
    for (std::size_t i = 1; i < edge.route.size(); ++i) {
        const DrawnPoint a = edge.route[i - 1], b = edge.route[i];
        for (int k = 0; k <= 40; ++k) {
            const double t = k / 40.0, s = 1 - t;
            if (i % 2 == 1)
                points.push_back({a.x, s * a.y + t * b.y});
            else
                points.push_back({(s * s * s + 3 * s * s * t) * a.x + (3 * s * t * t + t * t * t) * b.x,
                                  s * s * s * a.y + 3 * s * t * (a.y + b.y) / 2 + t * t * t * b.y});
        }
    }
    return points;
}

void check_layout(const Drawing& d) {
    for (std::size_t i = 0; i < d.boxes.size(); ++i) {
        const DrawnBox& box = d.boxes[i];
        CHECK(box.corner.x >= 0);
        CHECK(box.corner.y >= 0);
        CHECK(box.corner.x + box.width <= d.size.x);
        CHECK(box.corner.y + box.height <= d.size.y + 0.01);
        for (std::size_t j = 0; j < i; ++j) {
            INFO(box.lines[0] << " and " << d.boxes[j].lines[0]);
            CHECK_FALSE(overlap(box, d.boxes[j]));
        }
    }
    for (const DrawnEdge& edge : d.edges) {
        INFO(d.boxes[static_cast<std::size_t>(edge.from)].lines[0]
             << " -> " << d.boxes[static_cast<std::size_t>(edge.to)].lines[0]);
        REQUIRE(edge.route.size() % 2 == 1);
        const std::vector<DrawnPoint> points = along(edge);
        const bool crosses = std::any_of(points.begin(), points.end(), [&](const DrawnPoint& p) {
            return std::any_of(d.boxes.begin(), d.boxes.end(), [&](const DrawnBox& box) { return inside(p, box); });
        });
        CHECK_FALSE(crosses);
        const DrawnBox& from = d.boxes[static_cast<std::size_t>(edge.from)];
        const DrawnBox& to = d.boxes[static_cast<std::size_t>(edge.to)];
        CHECK(edge.route.front().y == Approx(from.corner.y + from.height));
        CHECK(edge.route.back().y == Approx(to.corner.y));
        CHECK(edge.route.back().x > to.corner.x);
        CHECK(edge.route.back().x < to.corner.x + to.width);
    }
}

std::size_t occurrences(const std::string& text, const std::string& word) {
    std::size_t count = 0;
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
    return count;
}

const DrawnBox& box(const Drawing& d, const std::string& name) {
    const auto found = std::find_if(d.boxes.begin(), d.boxes.end(), [&](const auto& b) { return b.lines[0] == name; });
    REQUIRE(found != d.boxes.end());
    return *found;
}

}  // namespace

TEST_CASE("a box tells name, type, shape, parameters, and what is computed in place") {
    const Drawing d = drawn(branches(), {7, 3, 16, 16});
    CHECK(d.boxes.size() == 8);
    CHECK(box(d, "stem").lines ==
          std::vector<std::string>{"stem", "Convolution 3x3 pad 1", "8 x 16 x 16", "224 parameters", "+ ReLU"});
    CHECK(box(d, "stem").kind == BoxKind::convolution);
    CHECK(box(d, "join").lines == std::vector<std::string>{"join", "Concat", "20 x 16 x 16"});
    CHECK(box(d, "join").kind == BoxKind::join);
    CHECK(box(d, "scores").lines.back() == "+ Dropout 0.5");
    CHECK(box(d, "scores").lines[3] == "51,210 parameters");
    CHECK(box(d, "loss").kind == BoxKind::judge);
    CHECK(d.edges.size() == 9);
}

TEST_CASE("a Split has no box, and what reads one of its tops in place has a box of its own") {
    const Drawing d = drawn(NetBuilder("split")
                                .convolution("stem", {.num_output = 4, .kernel_size = 1})
                                .split("names", {"a", "b"})
                                .relu()
                                .eltwise("sum", {"a", "b"})
                                .build(),
                            {1, 3, 8, 8});
    REQUIRE(d.boxes.size() == 4);
    CHECK(box(d, "stem").lines.back() == "16 parameters");
    CHECK(box(d, "relu_a").kind == BoxKind::elementwise);
    CHECK(box(d, "sum").kind == BoxKind::join);
    REQUIRE(d.edges.size() == 4);  // data to stem, stem to relu_a and to sum, relu_a to sum
    check_layout(d);
    const Drawing alone = drawn(NetBuilder("renamed")
                                    .convolution("stem", {.num_output = 4, .kernel_size = 1})
                                    .split("names", {"a"})
                                    .relu()
                                    .build(),
                                {1, 3, 8, 8});
    CHECK(alone.boxes.size() == 2);
    CHECK(box(alone, "stem").lines.back() == "+ ReLU");
}

TEST_CASE("a Slice is a box, and what changes one of its tops is another") {
    const Drawing d = drawn(NetBuilder("slice")
                                .convolution("stem", {.num_output = 4, .kernel_size = 1})
                                .slice("cut", {"a", "b"})
                                .relu()
                                .concat("join", {"a", "b"})
                                .build(),
                            {1, 3, 8, 8});
    REQUIRE(d.boxes.size() == 5);
    CHECK(box(d, "cut").kind == BoxKind::join);
    CHECK(box(d, "cut").lines == std::vector<std::string>{"cut", "Slice", "2 x 8 x 8"});
    CHECK(box(d, "relu_a").kind == BoxKind::elementwise);
    CHECK(d.edges.size() == 5);
    check_layout(d);
}

TEST_CASE("a kind is what the layer does in this net, not what its type may do in another") {
    const Drawing d = drawn(NetBuilder("kinds")
                                .convolution("stem", {.num_output = 4, .kernel_size = 1})
                                .batch_norm("norm")
                                .scale("factor")
                                .build(),
                            {1, 3, 8, 8});
    CHECK(box(d, "norm").kind == BoxKind::normalization);
    CHECK(box(d, "factor").kind == BoxKind::elementwise);  // a Scale of two bottoms would be a join
}

TEST_CASE("no boxes overlap, no edge crosses a box, and all of it is in the picture") {
    check_layout(drawn(branches(), {1, 3, 16, 16}));
    check_layout(drawn(example("nin/net.json"), {1, 1, 28, 28}));
    check_layout(drawn(example("googlenet/net.json")));
    check_layout(drawn(example("googlenet/net.json"), {1, 3, 224, 224}, Phase::test));
    check_layout(drawn(example("squeezenet/net.json"), {1, 3, 227, 227}));
    check_layout(drawn(example("resnet18/net.json")));
}

TEST_CASE("branches stand side by side in the order in which the net states them") {
    const Drawing d = drawn(example("googlenet/net.json"));
    const auto centre = [&](const char* name) { return box(d, name).corner.x + box(d, name).width / 2; };
    CHECK(box(d, "inception_3a/1x1").corner.y == box(d, "inception_3a/3x3_reduce").corner.y);
    CHECK(centre("inception_3a/1x1") < centre("inception_3a/3x3_reduce"));
    CHECK(centre("inception_3a/3x3_reduce") < centre("inception_3a/5x5_reduce"));
    CHECK(centre("inception_3a/5x5_reduce") < centre("inception_3a/pool"));
}

TEST_CASE("a chain is straight") {
    const Drawing d = drawn(example("nin/net.json"), {1, 1, 28, 28});
    for (const DrawnEdge& edge : d.edges)
        for (const DrawnPoint& p : edge.route) CHECK(p.x == Approx(edge.route.front().x).margin(0.5));
}

TEST_CASE("the SVG has every box and edge, and its text is escaped") {
    const Drawing d = drawn(branches(), {1, 3, 16, 16});
    const std::string svg = to_svg(d);
    CHECK(svg.rfind("<?xml", 0) == 0);
    CHECK(occurrences(svg, "class=\"name\"") == d.boxes.size());
    CHECK(occurrences(svg, "marker-end") == d.edges.size());
    CHECK(occurrences(svg, "<g") == occurrences(svg, "</g>"));
    CHECK(svg.find("branches &amp; &quot;more&quot;") != std::string::npos);
    for (const DrawnBox& b : d.boxes) CHECK(svg.find(">" + b.lines[0] + "<") != std::string::npos);
}

TEST_CASE("the text for Graphviz has every box and edge, quoted") {
    const Drawing d = drawn(branches(), {1, 3, 16, 16});
    const std::string dot = to_dot(d);
    CHECK(occurrences(dot, " -> ") == d.edges.size());
    CHECK(occurrences(dot, "[label=") == d.boxes.size());
    CHECK(dot.find("branches & \\\"more\\\"") != std::string::npos);
    CHECK(dot.find("n0 [label=\"data\\n3 x 16 x 16\"") != std::string::npos);
}
