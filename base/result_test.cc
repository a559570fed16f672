#include "base/result.h"

#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace sluice {
namespace {

struct Row {
  Errc code;
  std::string_view name;
  uint32_t number;
};

constexpr Row kRows[] = {
#define SLUICE_TEST_ROW(name, number, retriable, text) {Errc::name, #name, number},
    SLUICE_ERRORS(SLUICE_TEST_ROW)
#undef SLUICE_TEST_ROW
};

Result<int> positive(int number) {
  if (number <= 0) return fail(Errc::invalid_argument, "not positive");
  return number;
}

Result<std::unique_ptr<int>> boxed(int number) {
  ASSIGN_OR_RETURN(const int checked, positive(number));
  RETURN_IF_ERROR(positive(checked - 1));
  return std::make_unique<int>(checked);
}

TEST(ErrorTable, GivesEveryCodeItsNameTextAndWireNumber) {
  std::set<uint32_t> numbers;
  for (const Row& row : kRows) {
    EXPECT_EQ(name_of(row.code), row.name);
    EXPECT_FALSE(text_of(row.code).empty());
    EXPECT_EQ(errc_from_wire(row.number), row.code);
    EXPECT_TRUE(numbers.insert(row.number).second) << row.name;
  }
}

TEST(ErrorTable, ReadsWireNumbersItDoesNotKnowAsInternal) {
  for (uint32_t number : {0U, 65535U, 0x10001U, UINT32_MAX}) {
    EXPECT_EQ(errc_from_wire(number), Errc::internal) << number;
  }
}

TEST(Error, CarriesTheTablesTextUntilItHasADetail) {
  Error error = Errc::disk_full;
  EXPECT_FALSE(error.has_detail());
  EXPECT_EQ(error.message(), text_of(Errc::disk_full));
  EXPECT_TRUE(error.retriable());
  error = std::move(error).with_context("append to orders-0");
  EXPECT_EQ(error.message(), "append to orders-0: no space is left on the device");
  EXPECT_EQ(error, Errc::disk_full);
}

TEST(Error, CopiesItsDetail) {
  Error first(Errc::not_found, "topic orders");
  const Error second = first;
  first = Errc::internal;
  EXPECT_EQ(second.message(), "topic orders");
  EXPECT_FALSE(first.has_detail());
  first = second;
  EXPECT_EQ(first.message(), "topic orders");
}

TEST(Error, MapsErrnoAndNamesWhatWasDone) {
  const std::map<int, Errc> expected = {
      {ENOSPC, Errc::disk_full},         {EIO, Errc::disk_failed}, {ENOENT, Errc::file_not_found},
      {EACCES, Errc::permission_denied}, {EMFILE, Errc::too_many}, {ENOTTY, Errc::internal}};
  for (const auto& [number, code] : expected) EXPECT_EQ(error_from_errno(number, "x"), code);
  EXPECT_EQ(error_from_errno(ENOENT, "open /a").message(), "open /a: No such file or directory");
}

TEST(Result, MacrosLeaveWithTheErrorOrGoOnWithTheValue) {
  EXPECT_EQ(**boxed(2), 2);
  EXPECT_EQ(boxed(1).error().message(), "not positive");
  EXPECT_EQ(boxed(-1).error(), Errc::invalid_argument);
}

}  // namespace
}  // namespace sluice
