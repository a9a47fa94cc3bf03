// test_ogg.c -- Ogg pages and packets at every cut, in chains and mixed, damaged, and without memory.
#include "media/ogg.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/unit.h"

struct seen {
    char text[512];
    size_t bytes;
    int packets;
};

static enum prl_err on_packet(void *arg, const struct prl_ogg_packet *packet)
{
    struct seen *seen = arg;
    size_t used = strlen(seen->text);
    seen->packets++;
    seen->bytes += packet->len;
    if (packet->len < 20)
        snprintf(seen->text + used, sizeof(seen->text) - used, "%s%.*s%s", packet->first ? "^" : "",
                 (int)packet->len, (const char *)packet->data,
                 packet->end_granule >= 0 ? "$" : ",");
    return PRL_OK;
}

static enum prl_err add_page(struct prl_str *file, uint32_t serial, uint32_t number,
                             const char *packets, bool last)
{
    size_t sizes[8], count = 0;
    for (const char *at = packets; *at; at++) // one letter a packet
        sizes[count++] = 1;
    return prl_ogg_write(file, &(struct prl_ogg_page){.serial = serial,
                                                      .number = number,
                                                      .granule = 7,
                                                      .first = number == 0,
                                                      .last = last,
                                                      .data = (const uint8_t *)packets,
                                                      .sizes = sizes,
                                                      .count = count});
}

static enum prl_err read_file(const struct prl_str *file, size_t len, size_t step,
                              struct seen *seen, bool *whole)
{
    struct prl_ogg *ogg;
    *seen = (struct seen){.packets = 0};
    enum prl_err err = prl_ogg_create(&ogg, on_packet, seen);
    for (size_t at = 0; at < len && !err; at += step)
        err =
            prl_ogg_push(ogg, (const uint8_t *)file->data + at, len - at < step ? len - at : step);
    *whole = ogg && prl_ogg_is_whole(ogg);
    prl_ogg_destroy(&ogg);
    return err;
}

PRL_TEST(ogg_at_every_cut)
{
    struct prl_str file;
    struct seen seen;
    bool whole;
    prl_str_init(&file, 1 << 20);
    EXPECT_OK(add_page(&file, 1, 0, "h", false));
    EXPECT_OK(add_page(&file, 9, 0, "x", false)); // another stream beside it
    EXPECT_OK(add_page(&file, 1, 1, "abc", false));
    EXPECT_OK(add_page(&file, 9, 1, "y", true));
    EXPECT_OK(add_page(&file, 1, 2, "de", true));
    EXPECT_OK(add_page(&file, 1, 3, "lost", false)); // behind its end
    EXPECT_OK(add_page(&file, 5, 0, "n", false));    // the next of the chain
    EXPECT_OK(add_page(&file, 5, 1, "", true));
    for (size_t step = 1; step < 200; step += 3) {
        EXPECT_OK(read_file(&file, file.len, step, &seen, &whole));
        EXPECT_TEXT(seen.text, "^h,a,b,c,d$e$^n,");
        EXPECT(whole);
    }
    for (size_t len = 0; len <= 58; len++) { // the first two pages, of 29 bytes each
        EXPECT_OK(read_file(&file, len, 1000, &seen, &whole));
        EXPECT_INT(whole, len % 29 == 0);
    }
    prl_str_free(&file);
}

PRL_TEST(ogg_long_packets_and_damage)
{
    static uint8_t long_packet[65000];
    struct prl_str file;
    struct seen seen;
    bool whole;
    prl_str_init(&file, 1 << 20);
    size_t sizes[] = {255, 0, 510, 64000};
    EXPECT_OK(prl_ogg_write(
        &file, &(struct prl_ogg_page){
                   .serial = 3, .first = true, .data = long_packet, .sizes = sizes, .count = 3}));
    EXPECT_OK(prl_ogg_write(
        &file, &(struct prl_ogg_page){
                   .serial = 3, .number = 1, .data = long_packet, .sizes = sizes + 3, .count = 1}));
    EXPECT_OK(read_file(&file, file.len, 4096, &seen, &whole));
    EXPECT_INT(seen.packets, 4);
    EXPECT_INT(seen.bytes, 255 + 510 + 64000);
    // Any byte that is changed is noticed, or the page never ends.
    for (size_t i = 0; i < 900; i += i < 40 ? 1 : 37) {
        file.data[i] ^= 0x21;
        EXPECT(read_file(&file, file.len, 4096, &seen, &whole) != PRL_OK || !whole);
        file.data[i] ^= 0x21;
    }
    EXPECT(read_file(&(struct prl_str){.data = (char[]){"RIFFxxxx"}, .len = 8}, 8, 8, &seen,
                     &whole) == PRL_ERR_INVALID);
    prl_str_free(&file);
}

PRL_TEST(ogg_packet_that_lost_its_beginning)
{
    static uint8_t body[255 * 255];
    struct prl_str page;
    struct seen seen;
    bool whole;
    prl_str_init(&page, 1 << 20);
    size_t size = 254 * 255 + 254; // ends just below the 255th segment's end
    EXPECT_OK(prl_ogg_write(
        &page, &(struct prl_ogg_page){
                   .serial = 1, .first = true, .data = body, .sizes = &size, .count = 1}));
    EXPECT_OK(read_file(&page, page.len, 5000, &seen, &whole));
    EXPECT_INT(seen.bytes, size);
    // Continued where nothing was begun.
    page.data[5] = 1 | 2;
    EXPECT(read_file(&page, page.len, 5000, &seen, &whole) != PRL_OK);
    prl_str_free(&page);
}

PRL_TEST_OOM(ogg_without_memory)
{
    struct prl_str file;
    struct seen seen;
    bool whole;
    prl_str_init(&file, 1 << 16);
    enum prl_err err = add_page(&file, 1, 0, "h", false);
    if (!err)
        err = add_page(&file, 1, 1, "abc", true);
    if (!err)
        err = read_file(&file, file.len, 10, &seen, &whole);
    EXPECT(!err || prl_test_oom());
    if (!err)
        EXPECT_TEXT(seen.text, "^h,a$b$c$");
    prl_str_free(&file);
}
