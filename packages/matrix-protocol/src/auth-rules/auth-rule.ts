import { AUTH_RULES_EDITIONS } from '../room-versions/auth-rules-edition.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'

/**
 * Every rule that decides about an event, with its number in each edition of the specification; `-` where that edition has no such rule.
 * Rules that allow end in `allowed`; the others reject. Section numbers in the comments are those of room version 1.
 * @see https://spec.matrix.org/latest/rooms/v1/#authorisation-rules to https://spec.matrix.org/latest/rooms/v12/#authorisation-rules
 */
// prettier-ignore
const NUMBERS = {
  //                                                v1       v3       v6       v7       v8       v10      v11      v12
  // 1. The create event.
  'create.prev-events':                              '1.1      1.1      1.1      1.1      1.1      1.1      1.1      1.1',
  'create.room-id-domain':                           '1.2      1.2      1.2      1.2      1.2      1.2      1.2      -',
  'create.room-id':                                  '-        -        -        -        -        -        -        1.2',
  'create.room-version':                             '1.3      1.3      1.3      1.3      1.3      1.3      1.3      1.3',
  'create.creator':                                  '1.4      1.4      1.4      1.4      1.4      1.4      -        -',
  'create.additional-creators':                      '-        -        -        -        -        -        -        1.4',
  'create.allowed':                                  '1.5      1.5      1.5      1.5      1.5      1.5      1.4      1.5',
  // The room's create event. Before version 12 it is found in the state, and rule 3 takes it for granted.
  'room.no-create-event':                            '3        3        3        3        3        3        3        2',
  'room.create-event-rejected':                      '2.3      2.3      2.3      2.3      2.3      2.3      2.3      2',
  'room.create-event-mismatch':                      '-        -        -        -        -        -        -        2',
  // 2. What the event cites.
  'auth-events.duplicate':                           '2.1      2.1      2.1      2.1      2.1      2.1      2.1      3.1',
  'auth-events.unexpected':                          '2.2      2.2      2.2      2.2      2.2      2.2      2.2      3.2',
  'auth-events.rejected':                            '2.3      2.3      2.3      2.3      2.3      2.3      2.3      3.3',
  'auth-events.no-create-event':                     '2.4      2.4      2.4      2.4      2.4      2.4      2.4      -',
  'auth-events.other-room':                          '2.5      2.5      2.5      2.5      2.5      2.5      2.5      3.4',
  // 3. Rooms of one server.
  'room.not-federated':                              '3        3        3        3        3        3        3        4',
  // 4. Aliases.
  'aliases.state-key':                               '4.1      4.1      -        -        -        -        -        -',
  'aliases.domain':                                  '4.2      4.2      -        -        -        -        -        -',
  'aliases.allowed':                                 '4.3      4.3      -        -        -        -        -        -',
  // 5. Memberships.
  'member.state-key':                                '5.1      5.1      4.1      4.1      4.1      4.1      4.1      5.1',
  'member.membership':                               '5.1      5.1      4.1      4.1      4.1      4.1      4.1      5.1',
  'member.authorised-via':                           '-        -        -        -        4.2.1    4.2.1    4.2.1    5.2.1',
  // Joins.
  'member.join.first.allowed':                       '5.2.1    5.2.1    4.2.1    4.2.1    4.3.1    4.3.1    4.3.1    5.3.1',
  'member.join.sender':                              '5.2.2    5.2.2    4.2.2    4.2.2    4.3.2    4.3.2    4.3.2    5.3.2',
  'member.join.banned':                              '5.2.3    5.2.3    4.2.3    4.2.3    4.3.3    4.3.3    4.3.3    5.3.3',
  'member.join.invited.allowed':                     '5.2.4    5.2.4    4.2.4    4.2.4    4.3.4    4.3.4    4.3.4    5.3.4',
  'member.join.restricted.invited.allowed':          '-        -        -        -        4.3.5.1  4.3.5.1  4.3.5.1  5.3.5.1',
  'member.join.restricted.not-authorised':           '-        -        -        -        4.3.5.2  4.3.5.2  4.3.5.2  5.3.5.2',
  'member.join.restricted.authoriser-not-joined':    '-        -        -        -        4.3.5.2  4.3.5.2  4.3.5.2  5.3.5.2',
  'member.join.restricted.authoriser-power':         '-        -        -        -        4.3.5.2  4.3.5.2  4.3.5.2  5.3.5.2',
  'member.join.restricted.allowed':                  '-        -        -        -        4.3.5.3  4.3.5.3  4.3.5.3  5.3.5.3',
  'member.join.public.allowed':                      '5.2.5    5.2.5    4.2.5    4.2.5    4.3.6    4.3.6    4.3.6    5.3.6',
  'member.join.not-invited':                         '5.2.6    5.2.6    4.2.6    4.2.6    4.3.7    4.3.7    4.3.7    5.3.7',
  'member.join.rule-unknown':                        '5.2.6    5.2.6    4.2.6    4.2.6    4.3.7    4.3.7    4.3.7    5.3.7',
  // Invites.
  'member.invite.third-party.banned':                '5.3.1.1  5.3.1.1  4.3.1.1  4.3.1.1  4.4.1.1  4.4.1.1  4.4.1.1  5.4.1.1',
  'member.invite.third-party.signed':                '5.3.1.2  5.3.1.2  4.3.1.2  4.3.1.2  4.4.1.2  4.4.1.2  4.4.1.2  5.4.1.2',
  'member.invite.third-party.mxid-and-token':        '5.3.1.3  5.3.1.3  4.3.1.3  4.3.1.3  4.4.1.3  4.4.1.3  4.4.1.3  5.4.1.3',
  'member.invite.third-party.mxid':                  '5.3.1.4  5.3.1.4  4.3.1.4  4.3.1.4  4.4.1.4  4.4.1.4  4.4.1.4  5.4.1.4',
  'member.invite.third-party.unknown-token':         '5.3.1.5  5.3.1.5  4.3.1.5  4.3.1.5  4.4.1.5  4.4.1.5  4.4.1.5  5.4.1.5',
  'member.invite.third-party.sender':                '5.3.1.6  5.3.1.6  4.3.1.6  4.3.1.6  4.4.1.6  4.4.1.6  4.4.1.6  5.4.1.6',
  'member.invite.third-party.allowed':               '5.3.1.7  5.3.1.7  4.3.1.7  4.3.1.7  4.4.1.7  4.4.1.7  4.4.1.7  5.4.1.7',
  'member.invite.third-party.signature':             '5.3.1.8  5.3.1.8  4.3.1.8  4.3.1.8  4.4.1.8  4.4.1.8  4.4.1.8  5.4.1.8',
  'member.invite.sender-not-joined':                 '5.3.2    5.3.2    4.3.2    4.3.2    4.4.2    4.4.2    4.4.2    5.4.2',
  'member.invite.already-joined':                    '5.3.3    5.3.3    4.3.3    4.3.3    4.4.3    4.4.3    4.4.3    5.4.3',
  'member.invite.banned':                            '5.3.3    5.3.3    4.3.3    4.3.3    4.4.3    4.4.3    4.4.3    5.4.3',
  'member.invite.allowed':                           '5.3.4    5.3.4    4.3.4    4.3.4    4.4.4    4.4.4    4.4.4    5.4.4',
  'member.invite.power':                             '5.3.5    5.3.5    4.3.5    4.3.5    4.4.5    4.4.5    4.4.5    5.4.5',
  // Leaving, and being made to.
  'member.leave.own.allowed':                        '5.4.1    5.4.1    4.4.1    4.4.1    4.5.1    4.5.1    4.5.1    5.5.1',
  'member.leave.not-in-room':                        '5.4.1    5.4.1    4.4.1    4.4.1    4.5.1    4.5.1    4.5.1    5.5.1',
  'member.leave.sender-not-joined':                  '5.4.2    5.4.2    4.4.2    4.4.2    4.5.2    4.5.2    4.5.2    5.5.2',
  'member.leave.unban-power':                        '5.4.3    5.4.3    4.4.3    4.4.3    4.5.3    4.5.3    4.5.3    5.5.3',
  'member.leave.kick.allowed':                       '5.4.4    5.4.4    4.4.4    4.4.4    4.5.4    4.5.4    4.5.4    5.5.4',
  'member.leave.kick-power':                         '5.4.5    5.4.5    4.4.5    4.4.5    4.5.5    4.5.5    4.5.5    5.5.5',
  'member.leave.target-power':                       '5.4.5    5.4.5    4.4.5    4.4.5    4.5.5    4.5.5    4.5.5    5.5.5',
  // Bans.
  'member.ban.sender-not-joined':                    '5.5.1    5.5.1    4.5.1    4.5.1    4.6.1    4.6.1    4.6.1    5.6.1',
  'member.ban.allowed':                              '5.5.2    5.5.2    4.5.2    4.5.2    4.6.2    4.6.2    4.6.2    5.6.2',
  'member.ban.power':                                '5.5.3    5.5.3    4.5.3    4.5.3    4.6.3    4.6.3    4.6.3    5.6.3',
  'member.ban.target-power':                         '5.5.3    5.5.3    4.5.3    4.5.3    4.6.3    4.6.3    4.6.3    5.6.3',
  // Knocks.
  'member.knock.join-rule':                          '-        -        -        4.6.1    4.7.1    4.7.1    4.7.1    5.7.1',
  'member.knock.sender':                             '-        -        -        4.6.2    4.7.2    4.7.2    4.7.2    5.7.2',
  'member.knock.allowed':                            '-        -        -        4.6.3    4.7.3    4.7.3    4.7.3    5.7.3',
  'member.knock.ban':                                '-        -        -        4.6.4    4.7.4    4.7.4    4.7.4    5.7.4',
  'member.knock.invite':                             '-        -        -        4.6.4    4.7.4    4.7.4    4.7.4    5.7.4',
  'member.knock.join':                               '-        -        -        4.6.4    4.7.4    4.7.4    4.7.4    5.7.4',
  'member.unknown':                                  '5.6      5.6      4.6      4.7      4.8      4.8      4.8      5.8',
  // Everything else.
  'sender.not-joined':                               '6        6        5        5        5        5        5        6',
  'third-party-invite.allowed':                      '7.1      7.1      6.1      6.1      6.1      6.1      6.1      7.1',
  'third-party-invite.power':                        '7.1      7.1      6.1      6.1      6.1      6.1      6.1      7.1',
  'sender.power':                                    '8        8        7        7        7        7        7        8',
  'state-key.other-user':                            '9        9        8        8        8        8        8        9',
  // 10. Power levels. Before version 10 rule 10.1 is only about users; but deployed servers get stuck on any other level that is none.
  'power-levels.users-default':                      '10.1     10.1     9.1      9.1      9.1      9.1      9.1      10.1',
  'power-levels.events-default':                     '10.1     10.1     9.1      9.1      9.1      9.1      9.1      10.1',
  'power-levels.state-default':                      '10.1     10.1     9.1      9.1      9.1      9.1      9.1      10.1',
  'power-levels.ban':                                '10.1     10.1     9.1      9.1      9.1      9.1      9.1      10.1',
  'power-levels.redact':                             '10.1     10.1     9.1      9.1      9.1      9.1      9.1      10.1',
  'power-levels.kick':                               '10.1     10.1     9.1      9.1      9.1      9.1      9.1      10.1',
  'power-levels.invite':                             '10.1     10.1     9.1      9.1      9.1      9.1      9.1      10.1',
  'power-levels.events':                             '10.1     10.1     9.1      9.1      9.1      9.2      9.2      10.2',
  'power-levels.notifications':                      '-        -        9.1      9.1      9.1      9.2      9.2      10.2',
  'power-levels.users':                              '10.1     10.1     9.1      9.1      9.1      9.3      9.3      10.3',
  'power-levels.creator-listed':                     '-        -        -        -        -        -        -        10.4',
  'power-levels.first.allowed':                      '10.2     10.2     9.2      9.2      9.2      9.4      9.4      10.5',
  'power-levels.users-default.current':              '10.3.1   10.3.1   9.3.1    9.3.1    9.3.1    9.5.1    9.5.1    10.6.1',
  'power-levels.users-default.new':                  '10.3.2   10.3.2   9.3.2    9.3.2    9.3.2    9.5.2    9.5.2    10.6.2',
  'power-levels.events-default.current':             '10.3.1   10.3.1   9.3.1    9.3.1    9.3.1    9.5.1    9.5.1    10.6.1',
  'power-levels.events-default.new':                 '10.3.2   10.3.2   9.3.2    9.3.2    9.3.2    9.5.2    9.5.2    10.6.2',
  'power-levels.state-default.current':              '10.3.1   10.3.1   9.3.1    9.3.1    9.3.1    9.5.1    9.5.1    10.6.1',
  'power-levels.state-default.new':                  '10.3.2   10.3.2   9.3.2    9.3.2    9.3.2    9.5.2    9.5.2    10.6.2',
  'power-levels.ban.current':                        '10.3.1   10.3.1   9.3.1    9.3.1    9.3.1    9.5.1    9.5.1    10.6.1',
  'power-levels.ban.new':                            '10.3.2   10.3.2   9.3.2    9.3.2    9.3.2    9.5.2    9.5.2    10.6.2',
  'power-levels.redact.current':                     '10.3.1   10.3.1   9.3.1    9.3.1    9.3.1    9.5.1    9.5.1    10.6.1',
  'power-levels.redact.new':                         '10.3.2   10.3.2   9.3.2    9.3.2    9.3.2    9.5.2    9.5.2    10.6.2',
  'power-levels.kick.current':                       '10.3.1   10.3.1   9.3.1    9.3.1    9.3.1    9.5.1    9.5.1    10.6.1',
  'power-levels.kick.new':                           '10.3.2   10.3.2   9.3.2    9.3.2    9.3.2    9.5.2    9.5.2    10.6.2',
  'power-levels.invite.current':                     '10.3.1   10.3.1   9.3.1    9.3.1    9.3.1    9.5.1    9.5.1    10.6.1',
  'power-levels.invite.new':                         '10.3.2   10.3.2   9.3.2    9.3.2    9.3.2    9.5.2    9.5.2    10.6.2',
  'power-levels.events.current':                     '10.4.1   10.4.1   9.4.1    9.4.1    9.4.1    9.6.1    9.6.1    10.7.1',
  'power-levels.events.new':                         '10.5.1   10.5.1   9.5.1    9.5.1    9.5.1    9.7.1    9.7.1    10.8.1',
  'power-levels.notifications.current':              '-        -        9.4.1    9.4.1    9.4.1    9.6.1    9.6.1    10.7.1',
  'power-levels.notifications.new':                  '-        -        9.5.1    9.5.1    9.5.1    9.7.1    9.7.1    10.8.1',
  'power-levels.users.current':                      '10.6.1   10.6.1   9.6.1    9.6.1    9.6.1    9.8.1    9.8.1    10.9.1',
  'power-levels.users.new':                          '10.7.1   10.7.1   9.7.1    9.7.1    9.7.1    9.9.1    9.9.1    10.10.1',
  'power-levels.allowed':                            '10.8     10.8     9.8      9.8      9.8      9.10     9.10     10.11',
  // 11. Redactions, before version 3.
  'redaction.power.allowed':                         '11.1     -        -        -        -        -        -        -',
  'redaction.own-server.allowed':                    '11.2     -        -        -        -        -        -        -',
  'redaction.power':                                 '11.3     -        -        -        -        -        -        -',
  // 12. All other events.
  'otherwise.allowed':                               '12       11       10       10       10       10       10       11',
} as const

/** The name of a rule, the same in all room versions. */
export type AuthRule = keyof typeof NUMBERS

/** All rules by name. */
export const authRules = Object.keys(NUMBERS) as readonly AuthRule[]

/**
 * The rule's number on the page of this room version; undefined when the version has no such rule.
 * @see https://spec.matrix.org/latest/rooms/v12/#authorisation-rules
 */
export function authRuleNumber(rule: AuthRule, version: RoomVersion): string | undefined {
  const number = NUMBERS[rule].split(/ +/)[AUTH_RULES_EDITIONS.indexOf(version.authRules)]
  return number === '-' ? undefined : number
}
