// test_multipart.c -- bodies as browsers, curl and Python write them, and broken ones.
#include <string.h>

#include "api/multipart.h"
#include "tests/unit.h"

static struct prl_multipart form;
static char why[PRL_MULTIPART_WHY_SIZE];

static enum prl_err parse(const char *type, const char *body)
{
    return prl_multipart_parse(&form, type, body, strlen(body), why);
}

static void expect_part(const char *name, const char *type, const char *data)
{
    const struct prl_multipart_part *part = prl_multipart_find(&form, name);
    REQUIRE(part != NULL);
    EXPECT_TEXT(part->type, type);
    EXPECT_INT(part->size, strlen(data));
    EXPECT(memcmp(part->data, data, strlen(data)) == 0);
}

#define SDP_PART                                                                                   \
    "Content-Disposition: form-data; name=\"sdp\"\r\nContent-Type: application/sdp\r\n\r\n"        \
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n"

PRL_TEST(multipart_reads_what_clients_write)
{
    EXPECT_OK(parse("multipart/form-data; boundary=----WebKitFormBoundaryAbc",
                    "------WebKitFormBoundaryAbc\r\n" SDP_PART "\r\n------WebKitFormBoundaryAbc\r\n"
                    "content-disposition: FORM-DATA; filename=\"a;b\\\"c\"; NAME=session\r\n\r\n"
                    "{\"type\":\"realtime\"}\r\n------WebKitFormBoundaryAbc--\r\n"));
    EXPECT_INT(form.count, 2);
    expect_part("sdp", "application/sdp", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n");
    expect_part("session", "", "{\"type\":\"realtime\"}");
    EXPECT(prl_multipart_find(&form, "other") == NULL);
    // Quoted boundary, preamble, space behind the boundary, epilogue, empty part, type with charset.
    EXPECT_OK(parse("Multipart/Form-Data ; charset=utf-8; boundary=\"a b:c\"",
                    "to be ignored\r\n--a b:c \t\r\n"
                    "Content-Type: Application/JSON; charset=utf-8\r\n"
                    "Content-Disposition: form-data; name=x\r\n\r\n"
                    "\r\n--a b:cde is not it\r\n--a b:c\r\n"
                    "Content-Disposition: form-data; name=\"\"\r\n\r\n"
                    "\r\n--a b:c--epilogue"));
    EXPECT_INT(form.count, 2);
    expect_part("x", "application/json", "\r\n--a b:cde is not it");
    expect_part("", "", "");
    EXPECT_OK(parse("multipart/form-data; boundary=x", "--x--"));
    EXPECT_INT(form.count, 0);
}

PRL_TEST(multipart_says_what_is_wrong)
{
    static const char type[] = "multipart/form-data; boundary=x";
    static const struct {
        const char *type, *body, *part;
    } cases[] = {
        {"application/sdp", "v=0", "not multipart"},
        {"multipart/form-data", "--x--", "no boundary"},
        {"multipart/form-data; boundary=", "--x--", "no boundary"},
        {"multipart/form-data; boundary=\"\"", "--x--", "no boundary"},
        {"multipart/form-data; boundary=\"x", "--x--", "no boundary"},
        {"multipart/form-data; boundary="
         "1234567890123456789012345678901234567890123456789012345678901234567890A",
         "--x--", "no boundary"},
        {type, "", "does not occur"},
        {type, "--y\r\n\r\n--y--", "does not occur"},
        {type, "--x\r\n", "do not end"},
        {type, "--x\r\nContent-Disposition: form-data; name=a\r\n", "do not end"},
        {type, "--x\r\nContent-Disposition: form-data\r\n\r\nq\r\n--x--", "malformed"},
        {type, "--x\r\nContent-Disposition: form-data; name=\"a\r\n\r\nq\r\n--x--", "malformed"},
        {type,
         "--x\r\nContent-Disposition: form-data; name="
         "123456789012345678901234567890123456789012345678901234567890123456\r\n\r\nq\r\n--x--",
         "too long"},
        {type, "--x\r\nContent-Type: a/b\r\n\r\nq\r\n--x--", "no name"},
        {type, "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nq", "does not end with"},
        {type, "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nq\r\n--x",
         "does not end with"},
        {type,
         "--x\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n"
         "A: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n\r\n\r\n--x--",
         "too many headers"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXPECT_INT(parse(cases[i].type, cases[i].body), PRL_ERR_INVALID);
        if (!strstr(why, cases[i].part))
            EXPECT_TEXT(why, cases[i].part);
        EXPECT_INT(form.count, 0);
    }
    char many[1024] = "--x\r\n";
    for (int i = 0; i <= PRL_MULTIPART_PARTS_MAX; i++)
        strncat(many, "Content-Disposition: form-data; name=a\r\n\r\nq\r\n--x\r\n",
                sizeof(many) - strlen(many) - 1);
    EXPECT_INT(parse(type, many), PRL_ERR_LIMIT);
}

PRL_TEST(multipart_compares_types)
{
    EXPECT(prl_multipart_type_is("application/sdp", "application/sdp"));
    EXPECT(prl_multipart_type_is(" Application/SDP; charset=x", "application/sdp"));
    EXPECT(!prl_multipart_type_is("application/sdpx", "application/sdp"));
    EXPECT(!prl_multipart_type_is("", "application/sdp"));
    EXPECT(!prl_multipart_type_is(NULL, "application/sdp"));
}
