/* Reads registers with libmodbus, as a C program would, and prints what it read.
 *
 *   libmodbus_client tcp HOST PORT UNIT FUNCTION ADDRESS COUNT HOW
 *   libmodbus_client rtu DEVICE BAUD UNIT FUNCTION ADDRESS COUNT HOW
 *
 * HOW is `words` (hexadecimal registers), or `abcd` or `cdab` (float32 with the high or
 * the low word first, decoded by libmodbus). Ends with 0, or with 1 and one sentence.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int trouble(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    return 1;
}

static void show(const uint16_t *words, int count, const char *how)
{
    if (strcmp(how, "words") == 0) {
        for (int i = 0; i < count; i++)
            printf("%04x\n", words[i]);
        return;
    }
    for (int i = 0; i + 1 < count; i += 2)
        printf("%.9g\n", how[0] == 'a' ? modbus_get_float_abcd(words + i)
                                       : modbus_get_float_cdab(words + i));
}

static int ask(modbus_t *line, char **told)
{
    uint16_t words[MODBUS_MAX_READ_REGISTERS];
    int function = atoi(told[1]), address = atoi(told[2]), count = atoi(told[3]);

    if (count < 1 || count > MODBUS_MAX_READ_REGISTERS)
        return fprintf(stderr, "count must be 1 to 125\n"), 1;
    if (modbus_set_slave(line, atoi(told[0])) || modbus_connect(line))
        return trouble("cannot connect");
    int read = function == 3
        ? modbus_read_registers(line, address, count, words)
        : modbus_read_input_registers(line, address, count, words);
    if (read != count)
        return trouble("cannot read");
    show(words, count, told[4]);
    return 0;
}

int main(int count, char **told)
{
    if (count != 9) {
        fprintf(stderr, "tcp|rtu PLACE PORT|BAUD UNIT FUNCTION ADDRESS COUNT HOW\n");
        return 1;
    }
    modbus_t *line = strcmp(told[1], "tcp") == 0
        ? modbus_new_tcp(told[2], atoi(told[3]))
        : modbus_new_rtu(told[2], atoi(told[3]), 'N', 8, 1);
    if (line == NULL)
        return trouble("cannot make a line");
    int ended = ask(line, told + 4);
    modbus_close(line);
    modbus_free(line);
    return ended;
}
