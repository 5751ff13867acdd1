#include "core/text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace rollcall {
namespace {

TEST(Text, KnowsUtf8FromWhatLooksLikeIt) {
  for (const char* good : {"", "a", "ä", "€", "𐍈", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF", "\x7f"}) {
    EXPECT_TRUE(is_valid_utf8(good)) << good;
  }
  const std::vector<std::string> bad = {
      "\x80",              // a continuation alone
      "\xC0\x80",          // overlong NUL
      "\xC1\xBF",          // overlong
      "\xE0\x80\x80",      // overlong
      "\xE0\x9F\xBF",      // overlong
      "\xED\xA0\x80",      // surrogate
      "\xF0\x80\x80\x80",  // overlong
      "\xF4\x90\x80\x80",  // above U+10FFFF
      "\xF5\x80\x80\x80",
      "\xFF",
      "\xC3",
      "\xE2\x82",
      "\xF0\x90\x8D",
      "\xC3\x28",
      "\xE2\x28\xA1",
  };
  for (const std::string& text : bad) {
    EXPECT_FALSE(is_valid_utf8(text)) << printable(text, 64);
    EXPECT_EQ(first_invalid_utf8("ok€" + text), 5u);
  }
}

TEST(Text, PrefixesDoNotCutCharacters) {
  const std::string text = "aä€𐍈";  // 1 + 2 + 3 + 4 bytes
  const std::vector<std::size_t> expected = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (std::size_t max = 0; max < expected.size(); ++max) {
    EXPECT_EQ(utf8_prefix(text, max).size(), expected[max]) << max;
  }
  EXPECT_EQ(utf8_prefix(std::string(10, '\x80'), 5).size(), 2u) << "no loop on what isn't UTF-8";
}

TEST(Text, ControlCharactersAreC0DeleteAndC1) {
  for (const char* control : {"\x1f", "\n", "a\x7f", "a\xc2\x80", "\xc2\x9f~"}) {
    EXPECT_TRUE(has_control_characters(control)) << printable(control, 64);
  }
  for (const char* plain : {"", " ~", "\xc2\xa0", "\xc3\x9b", "\xc2"}) {
    EXPECT_FALSE(has_control_characters(plain)) << printable(plain, 64);
  }
}

TEST(Text, PrintableIsAlwaysShortValidAndPlain) {
  EXPECT_EQ(printable("plain €", 64), "plain €");
  EXPECT_EQ(printable("a\nb\x7f\xff", 64), "a\\x0ab\\x7f\\xff");
  EXPECT_EQ(printable("a\xc2\x9b[m\xc2\xa0", 64), "a\\xc2\\x9b[m\xc2\xa0") << "C1";
  EXPECT_EQ(printable("12345678", 8), "12345678");
  EXPECT_EQ(printable("123456789", 8), "12345...");
  EXPECT_EQ(printable("€€€€", 8), "€...");
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    const std::string shown = printable(text, 16);
    ASSERT_LE(shown.size(), 16u) << "seed " << seed;
    ASSERT_TRUE(is_valid_utf8(shown)) << "seed " << seed;
    ASSERT_FALSE(has_control_characters(shown)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rollcall
