#include "core/codec/large_json.h"

#include <gtest/gtest.h>

#include <limits>

namespace rollcall {
namespace {

LargeJson parsed(const std::string& text) {
  auto document = LargeJson::parse(text);
  EXPECT_TRUE(document) << text << ": " << (document ? "" : document.error().message);
  return *std::move(document);
}

ErrorCode refused(const std::string& text, const LargeJsonLimits& read_limits = {}) {
  const auto document = LargeJson::parse(text, read_limits);
  EXPECT_FALSE(document) << text;
  return document ? ErrorCode::NotFound : document.error().code;
}

TEST(LargeJson, WalksADocument) {
  const LargeJson document = parsed(
      R"({"list":[1,-2,18446744073709551615,1.5,"\u00e4",true,null,{}],"o":{"x":{"y":"z"}}})");
  LargeArray list;
  ASSERT_TRUE(document.root().get("list").array(list));
  std::vector<JsonView> items;
  for (JsonView item; list.next(item);) items.push_back(item);
  ASSERT_EQ(items.size(), 8u);
  EXPECT_EQ(items[0].i64(), 1);
  EXPECT_EQ(items[0].u64(), 1u);
  EXPECT_EQ(items[1].i64(), -2);
  EXPECT_EQ(items[1].u64(), std::nullopt);
  EXPECT_EQ(items[2].u64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(items[2].i64(), std::nullopt);
  EXPECT_EQ(items[3].number(), 1.5);
  EXPECT_EQ(items[3].i64(), std::nullopt);
  EXPECT_EQ(items[0].number(), 1.0);
  EXPECT_EQ(items[4].string(), "ä");
  EXPECT_EQ(items[5].boolean(), true);
  EXPECT_EQ(items[6].kind(), LargeKind::Null);
  EXPECT_EQ(items[7].kind(), LargeKind::Object);
  EXPECT_EQ(document.root().get("o").get("x").get("y").string(), "z");
}

TEST(LargeJson, WhatIsMissingStaysMissing) {
  const LargeJson document = parsed(R"({"a":1})");
  const JsonView missing = document.root().get("b").get("c");
  EXPECT_FALSE(missing.present());
  EXPECT_EQ(missing.kind(), LargeKind::Absent);
  EXPECT_EQ(missing.string(), std::nullopt);
  EXPECT_EQ(missing.i64(), std::nullopt);
  EXPECT_EQ(document.root().get("a").string(), std::nullopt) << "no conversions";
  EXPECT_EQ(document.root().get("a").boolean(), std::nullopt);
  EXPECT_FALSE(document.root().get("a").get("x").present());
  LargeArray list;
  EXPECT_FALSE(missing.array(list));
  EXPECT_FALSE(document.root().array(list));
  LargeObject object;
  EXPECT_FALSE(document.root().get("a").object(object));
}

TEST(LargeJson, IteratesFieldsInOrder) {
  const LargeJson document = parsed(R"({"z":1,"a":{"q":[1,2]},"m":3})");
  LargeObject fields;
  ASSERT_TRUE(document.root().object(fields));
  std::string keys;
  std::string_view key;
  for (JsonView value; fields.next(key, value);) keys += key;
  EXPECT_EQ(keys, "zam");
}

TEST(LargeJson, PicksSeveralFieldsAndNoticesRepeatedOnes) {
  const LargeJson document = parsed(
      R"([{"a":1,"b":"x","other":{"a":2,"a":3}},{"a":1,"b":2,"a":3},{"other":1,"other":2},7])");
  LargeArray list;
  ASSERT_TRUE(document.root().array(list));
  std::array<JsonField, 2> fields{{{"a"}, {"b"}}};
  JsonView item;
  ASSERT_TRUE(list.next(item));
  EXPECT_EQ(item.pick(fields), nullptr);
  EXPECT_EQ(fields[0].value.i64(), 1);
  EXPECT_EQ(fields[1].value.string(), "x");
  ASSERT_TRUE(list.next(item));
  EXPECT_NE(item.pick(fields), nullptr) << "a is there twice";
  ASSERT_TRUE(list.next(item));
  EXPECT_EQ(item.pick(fields), nullptr) << "only asked fields matter";
  EXPECT_FALSE(fields[0].value.present()) << "nothing stays from the item before";
  EXPECT_FALSE(item.keys_are_unique());
  ASSERT_TRUE(list.next(item));
  EXPECT_NE(item.pick(fields), nullptr) << "not an object";
  EXPECT_FALSE(list.next(item));
}

TEST(LargeJson, FindsRepeatedKeysInLongObjects) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(parsed(text + "\"x\":0}").root().keys_are_unique());
  EXPECT_FALSE(parsed(text + "\"k7\":0}").root().keys_are_unique());
  EXPECT_TRUE(parsed("{}").root().keys_are_unique());
}

TEST(LargeJson, BrokenTextIsMalformed) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[1,2",
                           "[1,]",
                           "{\"a\":1,}",
                           "{\"a\"}",
                           "{a:1}",
                           "{} x",
                           "{}{}",
                           "nul",
                           "NaN",
                           "01",
                           "1.",
                           "1e",
                           "\"",
                           "\"\\x\"",
                           "\"a\nb\"",
                           "[1 2]",
                           "18446744073709551616",
                           "1e400",
                           "[\"\xff\"]",
                           "[\"\xED\xA0\x80\"]",
                           "{\"\x80\":1}",
                           "\xEF\xBB\xBF{"}) {
    EXPECT_EQ(refused(text), ErrorCode::MalformedResponse) << text;
  }
}

TEST(LargeJson, SizeAndDepthAreBounded) {
  EXPECT_EQ(refused("[1,2,3]", {.max_bytes = 6}), ErrorCode::LimitExceeded);
  EXPECT_TRUE(LargeJson::parse("[1,2,3]", {.max_bytes = 7}));
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(LargeJson::parse(nested(limits::kMaxDepth)));
  EXPECT_EQ(refused(nested(limits::kMaxDepth + 1)), ErrorCode::MalformedResponse);
  EXPECT_EQ(refused(nested(200)), ErrorCode::MalformedResponse);
  EXPECT_EQ(refused(std::string(1'000'000, '[')), ErrorCode::MalformedResponse);
}

TEST(LargeJson, LivesOnWithoutTheText) {
  auto text =
      std::make_unique<std::string>(R"({"a":["long enough to be no small string at all"]})");
  text->reserve(text->size() + LargeJson::kPadding);
  LargeJson document = parsed(*text);
  const JsonView view = document.root().get("a");
  text.reset();
  const LargeJson moved = std::move(document);
  LargeArray list;
  ASSERT_TRUE(view.array(list)) << "moving the document keeps its views";
  JsonView item;
  ASSERT_TRUE(list.next(item));
  EXPECT_EQ(item.string(), "long enough to be no small string at all");
}

}  // namespace
}  // namespace rollcall
