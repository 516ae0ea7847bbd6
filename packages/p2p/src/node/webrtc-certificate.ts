// The certificate library finds its parts through decorators, which need this first.
import 'reflect-metadata'
import { X509CertificateGenerator } from '@peculiar/x509'
import type { TransportCertificate } from '@libp2p/webrtc'
import { base64url } from 'multiformats/bases/base64'
import { sha256 } from 'multiformats/hashes/sha2'
import { join } from 'node:path'
import { readJsonFile, writeJsonFile } from './json-file.ts'

const FILE_NAME = 'webrtc-certificate.json'
const LIFESPAN_YEARS = 50
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/**
 * The certificate whose hash is a part of this node's WebRTC-direct address, made once and then kept: a new one would break every
 * address and invite link given out before. (libp2p's own store makes a new one every two weeks, and cannot be told to wait longer
 * than its timer counts, 24 days.) It protects nothing by itself, as Noise proves the peer inside the connection, so a long life is harmless.
 */
export async function loadWebRtcCertificate(dataDirectory: string | undefined): Promise<TransportCertificate> {
  if (dataDirectory === undefined) return createCertificate()
  const path = join(dataDirectory, FILE_NAME)
  const stored = await readJsonFile(path)
  if (isCertificate(stored)) return stored
  const certificate = await createCertificate()
  await writeJsonFile(path, certificate)
  return certificate
}

async function createCertificate(): Promise<TransportCertificate> {
  const keys = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify'])
  const notBefore = new Date()
  notBefore.setMilliseconds(0)
  const notAfter = new Date(notBefore)
  notAfter.setFullYear(notAfter.getFullYear() + LIFESPAN_YEARS)
  const certificate = await X509CertificateGenerator.createSelfSigned(
    { name: 'CN=kith', notBefore, notAfter, keys, signingAlgorithm: KEY_ALGORITHM },
    crypto,
  )
  const hash = await sha256.digest(new Uint8Array(certificate.rawData))
  return {
    privateKey: toPem('PRIVATE KEY', new Uint8Array(await crypto.subtle.exportKey('pkcs8', keys.privateKey))),
    pem: certificate.toString('pem'),
    certhash: base64url.encode(hash.bytes),
  }
}

function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`].join('\n')
}

function isCertificate(value: unknown): value is TransportCertificate {
  if (typeof value !== 'object' || value === null) return false
  return (
    'privateKey' in value &&
    typeof value.privateKey === 'string' &&
    'pem' in value &&
    typeof value.pem === 'string' &&
    'certhash' in value &&
    typeof value.certhash === 'string'
  )
}
