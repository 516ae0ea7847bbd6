import type { ClientContract } from '../client-contract.test-support.ts'

/** Addresses outside of Matrix, identity servers, other networks, single sign-on: what a personal node does not do, and how it says so. */
export async function callThirdParties(contract: ClientContract): Promise<void> {
  await callAddresses(contract)
  await callTokenRequests(contract)
  await callNetworks(contract)
  await callAppServices(contract)
}

async function callAppServices(contract: ClientContract): Promise<void> {
  const { alice, bridge, roomId } = contract
  const path = { appserviceId: 'bridge' }
  await contract.ask(bridge, 'pingAppservice', { path, body: { transaction_id: 'abc' } })
  await contract.ask(alice, 'pingAppservice', { path, body: {} }, 403)
  const room = { path: { networkId: 'irc', roomId }, body: { visibility: 'public' } }
  await contract.ask(bridge, 'updateAppserviceRoomDirectoryVisibility', room)
  await contract.ask(alice, 'updateAppserviceRoomDirectoryVisibility', room, 403)
}

async function callAddresses(contract: ClientContract): Promise<void> {
  const { alice } = contract
  const credentials = { id_server: 'id.example.org', id_access_token: 'abc', sid: 'abc123', client_secret: 'secret' }
  await contract.ask(alice, 'getAccount3PIDs')
  await contract.ask(alice, 'post3PIDs', { body: { three_pid_creds: credentials } }, 403)
  await contract.ask(alice, 'add3PID', { body: { sid: 'abc123', client_secret: 'secret' } }, 400)
  await contract.ask(alice, 'bind3PID', { body: credentials }, 400)
  const address = { medium: 'email', address: 'alice@example.org' }
  await contract.ask(alice, 'delete3pidFromAccount', { body: address })
  await contract.ask(alice, 'unbind3pidFromAccount', { body: address })
}

async function callTokenRequests(contract: ClientContract): Promise<void> {
  const { home } = contract
  const secret = { client_secret: 'secret', send_attempt: 1 }
  const mail = { ...secret, email: 'alice@example.org' }
  const phone = { ...secret, country: 'GB', phone_number: '07700900001' }
  await contract.ask(home, 'requestTokenTo3PIDEmail', { body: mail }, 400)
  await contract.ask(home, 'requestTokenTo3PIDMSISDN', { body: phone }, 400)
  await contract.ask(home, 'requestTokenToRegisterEmail', { body: mail }, 403)
  await contract.ask(home, 'requestTokenToRegisterMSISDN', { body: phone }, 403)
  await contract.ask(home, 'requestTokenToResetPasswordEmail', { body: mail }, 400)
  await contract.ask(home, 'requestTokenToResetPasswordMSISDN', { body: phone }, 400)
}

async function callNetworks(contract: ClientContract): Promise<void> {
  const { alice, home } = contract
  await contract.ask(alice, 'getProtocols')
  const path = { protocol: 'irc' }
  await contract.ask(alice, 'getProtocolMetadata', { path }, 404)
  await contract.ask(alice, 'queryLocationByProtocol', { path }, 404)
  await contract.ask(alice, 'queryUserByProtocol', { path }, 404)
  await contract.ask(alice, 'queryLocationByAlias', { query: { alias: `#square:${home.identity.server}` } }, 404)
  await contract.ask(alice, 'queryUserByID', { query: { userid: alice.userId } }, 404)
  const query = { redirectUrl: 'https://client.example.org/' }
  await contract.ask(home, 'redirectToSSO', { query }, 404)
  await contract.ask(home, 'redirectToIdP', { path: { idpId: 'none' }, query }, 404)
  await contract.ask(home, 'getAuthMetadata', {}, 404)
  await contract.ask(home, 'getWellknownPolicy', {}, 404)
  await contract.ask(home, 'getWellknownSupport', {}, 404)
}
